"""MemoryClient: Secrets Manager's answers, shaped as boto3's, with no network."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

LOGIN = {"engine": "postgres", "host": "db", "port": 5432, "username": "app", "password": "p" * 32, "dbname": "orders"}


class MemoryClient:
    """Answers for every secret id. The headers are there because SecretCache copies the whole answer at every read."""

    def describe_secret(self, **_arguments: Any) -> dict[str, Any]:
        return {"VersionIdsToStages": {"v1": ["AWSCURRENT"]}}

    def get_secret_value(self, **arguments: Any) -> dict[str, Any]:
        headers = {"date": "Mon, 23 Nov 2026 00:00:00 GMT", "content-type": "application/x-amz-json-1.1"}
        name = arguments["SecretId"]
        return {
            "ARN": f"arn:aws:secretsmanager:eu-west-1:123456789012:secret:{name}-AbCdEf",
            "Name": name,
            "VersionId": "v1",
            "SecretString": json.dumps(LOGIN),
            "VersionStages": ["AWSCURRENT"],
            "CreatedDate": datetime(2026, 11, 23, tzinfo=UTC),
            "ResponseMetadata": {"RequestId": "r", "HTTPStatusCode": 200, "HTTPHeaders": headers, "RetryAttempts": 0},
        }
