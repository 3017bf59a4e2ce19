// Cloudflare's KV as it runs locally, behind the REST calls that Cloudflare documents for it:
// GET and PUT /accounts/{account}/storage/kv/namespaces/{namespace}/values/{key}
import { Miniflare } from "miniflare";

const WORKER = `
const answer = (status, errors) => Response.json(
  { success: status === 200, errors, messages: [], result: null }, { status });
export default {
  async fetch(request, env) {
    const parts = new URL(request.url).pathname.match(
      /^\\/accounts\\/([^/]+)\\/storage\\/kv\\/namespaces\\/([^/]+)\\/values\\/([^/]+)$/);
    if (request.headers.get("authorization") !== "Bearer token") {
      return answer(403, [{ code: 10000, message: "Authentication error" }]);
    }
    if (!parts || parts[1] !== "account" || parts[2] !== "namespace") {
      return answer(404, [{ code: 10013, message: "namespace not found" }]);
    }
    const key = decodeURIComponent(parts[3]);
    if (request.method === "PUT") {
      await env.STORE.put("writes", String(1 + Number(await env.STORE.get("writes") ?? 0)));
      await env.STORE.put(key, await request.arrayBuffer());
      return answer(200, []);
    }
    const value = await env.STORE.get(key, "arrayBuffer");
    return value === null ? answer(404, [{ code: 10009, message: "key not found" }]) : new Response(value);
  },
};`;

const server = new Miniflare({
  modules: true, script: WORKER, kvNamespaces: ["STORE"], host: "127.0.0.1", port: 0,
  compatibilityDate: "2026-01-01", cf: false,
});
console.log(String(await server.ready));
process.stdin.resume();
process.stdin.on("end", async () => { await server.dispose(); process.exit(0); });
