"""The JSON Schema in docs is that of the code."""

import json
from pathlib import Path

from cxrkit.evaluation.schema import Evaluation

SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "evaluation.schema.json"


def test_the_published_schema_is_fresh():
    assert SCHEMA.read_text() == json.dumps(Evaluation.model_json_schema(), indent=1) + "\n", (
        'write it again with: python -c "import json; from cxrkit.evaluation.schema import Evaluation; '
        'print(json.dumps(Evaluation.model_json_schema(), indent=1))" > docs/evaluation.schema.json'
    )
