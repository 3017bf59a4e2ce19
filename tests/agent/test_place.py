import pytest

from coordinator.agent.place import Site, find_site, service_environment
from coordinator.agent.settings import AgentSettings


@pytest.mark.parametrize(
    ("bind", "url"),
    [("10.0.0.1", "http://10.0.0.1:81"), ("0.0.0.0", "http://127.0.0.1:81"), ("::", "http://[::1]:81")],
)
def test_health_is_asked_where_the_service_listens(bind: str, url: str) -> None:
    assert Site(bind, "10.0.0.1", "http://c").local_url(81) == url


def test_services_do_not_inherit_what_steers_the_agent() -> None:
    given = {
        "PATH": "/bin",
        "EDGEPROXY_API_KEYS": "users",
        "COORDINATOR_URL": "http://c",
        "API_KEY": "secret",
        "API_KEY_FILE": "/secret",
        "WORKER_ID": "w1",
        "AGENT_HOST": "h",
        "NOTIFY_SOCKET": "/run/systemd/notify",
        "RUNTIME_CHANNEL_FD": "3",
    }
    assert service_environment(given) == {
        "PYTHONUNBUFFERED": "1",
        "PATH": "/bin",
        "EDGEPROXY_API_KEYS": "users",
        "COORDINATOR_URL": "http://c",
    }


@pytest.mark.parametrize(
    ("settings", "bind", "address"),
    [
        (AgentSettings(), "127.0.0.1", "127.0.0.1"),
        (AgentSettings(host="10.9.9.9"), "10.9.9.9", "10.9.9.9"),
        (AgentSettings(host="0.0.0.0"), "0.0.0.0", "127.0.0.1"),
    ],
)
def test_the_site_is_our_side_of_the_way_to_the_coordinator(settings: AgentSettings, bind: str, address: str) -> None:
    site = find_site(settings, "http://127.0.0.1:8080")
    assert (site.bind, site.address) == (bind, address)
