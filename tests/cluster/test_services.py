from edgeproxy.cluster.services import ALIASES, SERVICES, canonical


def test_the_table_is_the_seeds() -> None:
    rows = {name: (spec.tier, spec.requires, spec.priority, spec.port) for name, spec in SERVICES.items()}
    assert len(rows) == 14
    assert rows["llm-inference"] == (1, "gpu", 1, 8105)
    assert rows["document-processing"] == (2, "cpu", 2, 8103)
    assert rows["neo4j"] == (3, "storage", 5, 7474)
    assert rows["load-balancer"] == (4, "edge", 2, 8090)


def test_short_names_lead_to_services_that_exist() -> None:
    assert set(ALIASES) == {"rag", "upload", "notes", "ner", "ocr", "llm"}
    assert set(ALIASES.values()) <= set(SERVICES)
    assert canonical("upload") == "document-processing"
    assert canonical("anything-else") == "anything-else"
