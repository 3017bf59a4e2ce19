"""Variables of whoever must find a coordinator when the usual one is gone: agents and edges; in part coordinators."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from edgeproxy.cluster.homes.account import API, Account
from edgeproxy.cluster.urls import worker_url
from edgeproxy.runtime.environment import CommaList, EnvironmentSettings, reveal


class KvSettings(EnvironmentSettings):
    """Cloudflare's Workers KV, where the signed list of coordinators stands for the worst case."""

    kv_account: str = Field(
        "", validation_alias="CLOUDFLARE_ACCOUNT_ID", description="of the emergency store (Workers KV) of the list"
    )
    kv_namespace: str = Field("", validation_alias="CLOUDFLARE_KV_NAMESPACE_ID", description="of the emergency store")
    kv_token: SecretStr | None = Field(
        None,
        validation_alias="CLOUDFLARE_API_TOKEN",
        description="may read that namespace; it is looked into when no coordinator answers",
    )
    kv_api: Annotated[str, AfterValidator(worker_url)] = Field(
        API, validation_alias="CLOUDFLARE_API_URL", description="where Cloudflare's API is"
    )

    @property
    def kv(self) -> Account | None:
        """None unless all of it is set."""
        token = reveal(self.kv_token)
        if not (self.kv_account and self.kv_namespace and token):
            return None
        return Account(self.kv_account, self.kv_namespace, token, self.kv_api)


class HomesSettings(KvSettings):
    """How the nearest coordinator is found, and another when it dies."""

    trust: CommaList = Field(
        (),
        validation_alias="COORDINATOR_TRUST",
        description="comma list of the operator's root keys: then the nearest coordinator of the signed list is used, "
        "and another when it dies",
    )
    coordinators: Path | None = Field(
        None,
        validation_alias="COORDINATOR_LIST",
        description="file of the last good list of coordinators; default: in the state directory",
    )
