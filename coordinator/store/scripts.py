"""What happens in the engine, each in one step. `now` is the engine's own clock (ms): no coordinator's is asked. The
log keeps some 100,000 changes.

Keys of a site, in one hash slot by the braces:
    edgeproxy:{site}:w    HASH    worker -> record          written on change only
    edgeproxy:{site}:v    HASH    worker -> version         the greater wins, as text
    edgeproxy:{site}:hb   ZSET    worker -> last heard, ms
    edgeproxy:{site}:log  STREAM  changes, for watchers
    edgeproxy:{site}:own  STRING  who sweeps: name and fence
    edgeproxy:{site}:fence        counts the owners that there were
"""

from typing import Final

NAMES: Final = ("w", "v", "hb", "log", "own", "fence")
_NOW: Final = "local t = redis.call('TIME'); local now = t[1] * 1000 + math.floor(t[2] / 1000)\n"

# KEYS w v hb log; ARGV (id, version, record)...; how many were newer than what was there
PUT: Final = (
    _NOW
    + """
local newer = 0
for i = 1, #ARGV, 3 do
  local known = redis.call('HGET', KEYS[2], ARGV[i])
  if not known or known < ARGV[i + 1] then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 2])
    redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
    redis.call('XADD', KEYS[4], 'MAXLEN', '~', '100000', '*', 'id', ARGV[i], 'record', ARGV[i + 2])
    newer = newer + 1
  end
  if not known or known <= ARGV[i + 1] then redis.call('ZADD', KEYS[3], now, ARGV[i]) end
end
return newer
"""
)

# KEYS w hb; ARGV ids; the ids that the engine does not know
BEAT: Final = (
    _NOW
    + """
local unknown = {}
for i = 1, #ARGV do
  if redis.call('HEXISTS', KEYS[1], ARGV[i]) == 1 then
    redis.call('ZADD', KEYS[2], now, ARGV[i])
  else
    unknown[#unknown + 1] = ARGV[i]
  end
end
return unknown
"""
)

# KEYS own fence; ARGV name, lease ms; the fence if we are the owner, else 0
OWN: Final = """
local owner = redis.call('GET', KEYS[1])
if owner then
  local fence = string.match(owner, '^(%d+) ')
  if owner == fence .. ' ' .. ARGV[1] then
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
    return tonumber(fence)
  end
  return 0
end
local fence = redis.call('INCR', KEYS[2])
redis.call('SET', KEYS[1], fence .. ' ' .. ARGV[1], 'PX', ARGV[2])
return fence
"""

# KEYS w v hb log own; ARGV name, fence, ttl ms, most; the ids that expired, or -1 for an owner that was replaced
EXPIRE: Final = (
    _NOW
    + """
if redis.call('GET', KEYS[5]) ~= ARGV[2] .. ' ' .. ARGV[1] then return -1 end
local late = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now - tonumber(ARGV[3]), 'LIMIT', 0, tonumber(ARGV[4]))
for _, id in ipairs(late) do
  redis.call('HDEL', KEYS[1], id)
  redis.call('HDEL', KEYS[2], id)
  redis.call('ZREM', KEYS[3], id)
  redis.call('XADD', KEYS[4], 'MAXLEN', '~', '100000', '*', 'id', id, 'record', '')
end
return late
"""
)
