"""What the template promises, read from the template itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from marketplace_metering.adapters.dynamodb.items import tables
from marketplace_metering.aws_lambda import runs
from marketplace_metering.core.limits import REQUESTS_PER_SECOND_QUOTA
from marketplace_metering.deploy import template
from marketplace_metering.settings import load
from tests.deploy.reading import alarms, loaded, properties, resources

REPOSITORY = Path(__file__).parents[2]
STACK = "${AWS::StackName}"
TABLES = ("MeteringRecords", "MeteringLedger")
FUNCTIONS = ("MeteringJob", "MeteringProcessor")
# What CreateTable and CloudFormation name alike; the rest protects the table.
SCHEMA_PROPERTIES = (
    "AttributeDefinitions",
    "BillingMode",
    "GlobalSecondaryIndexes",
    "KeySchema",
    "TableName",
)


def test_cfn_lint_has_nothing_to_say() -> None:
    path = Path(template.__file__).parent / template.TEMPLATE_FILE
    program = Path(sys.executable).parent / "cfn-lint"

    command = [str(program), "--include-checks", "I", "--", str(path)]
    found = subprocess.run(command, capture_output=True, text=True)

    assert found.stdout + found.stderr == ""
    assert found.returncode == 0


def test_it_can_be_handed_over_without_a_bucket() -> None:
    assert (
        len(template.for_stack("s" * 46, "b" * 63, "k" * 200).encode()) <= template.BODY_BYTES_MAX
    )


def test_every_suppression_of_a_check_says_why() -> None:
    for name, resource in resources().items():
        for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", ()):
            assert len(skip["comment"]) > 40, f"{name} {skip['id']}"


def test_a_saas_contract_creates_nothing() -> None:
    conditions = loaded()["Conditions"]
    assert conditions["NeedsMetering"] == {
        "Fn::Not": [{"Fn::Equals": [{"Ref": "ListingType"}, "SaaS Contract"]}]
    }
    assert conditions["SendsEmail"]["Fn::And"][0] == {"Condition": "NeedsMetering"}
    assert {each.get("Condition") for each in resources().values()} == {
        "NeedsMetering",
        "SendsEmail",
    }
    without_condition = {
        name for name, output in loaded()["Outputs"].items() if "Condition" not in output
    }
    assert without_condition == {"Metering"}


@pytest.mark.parametrize("logical_name", TABLES)
def test_the_tables_are_those_of_the_store(logical_name: str) -> None:
    definitions = {each["TableName"]: each for each in tables.definitions(STACK)}
    own = {name: properties(logical_name)[name] for name in SCHEMA_PROPERTIES}
    own["TableName"] = own["TableName"]["Fn::Sub"]

    assert own == definitions[f"{STACK}-{logical_name}"]


@pytest.mark.parametrize("logical_name", TABLES)
def test_no_table_is_lost_with_the_stack(logical_name: str) -> None:
    table = resources()[logical_name]
    assert table["DeletionPolicy"] == table["UpdateReplacePolicy"] == "Retain"
    assert table["Properties"]["DeletionProtectionEnabled"] is True
    recovery = table["Properties"]["PointInTimeRecoverySpecification"]
    assert recovery == {"PointInTimeRecoveryEnabled": True}
    assert table["Properties"]["SSESpecification"] == {"SSEEnabled": True}


def test_the_mark_is_kept_and_never_restored() -> None:
    definition = tables.mark_definition(STACK)
    table = resources()["MeteringMark"]
    own = {name: table["Properties"][name] for name in definition}
    own["TableName"] = own["TableName"]["Fn::Sub"]

    assert own == definition
    assert table["DeletionPolicy"] == table["UpdateReplacePolicy"] == "Retain"
    assert table["Properties"]["DeletionProtectionEnabled"] is True
    assert "PointInTimeRecoverySpecification" not in table["Properties"]


def test_only_settled_records_can_expire_and_the_ledger_never() -> None:
    assert "TimeToLiveSpecification" not in properties("MeteringLedger")
    yes, no = properties("MeteringRecords")["TimeToLiveSpecification"]["Fn::If"][1:]
    assert yes == {"AttributeName": "expires_at", "Enabled": True}
    assert no == {"Ref": "AWS::NoValue"}
    assert loaded()["Parameters"]["RecordRetentionDays"]["Default"] == 0


def test_names_are_those_of_the_guide() -> None:
    for name in FUNCTIONS:
        assert properties(name)["FunctionName"] == {"Fn::Sub": f"{STACK}-{name}"}
        log = properties(name)["LoggingConfig"]["LogGroup"]["Ref"]
        assert properties(log)["LogGroupName"] == {"Fn::Sub": f"/aws/lambda/{STACK}-{name}"}
        assert properties(log)["RetentionInDays"] == {"Ref": "LogRetentionDays"}
    assert properties("MeteringSchedule")["Name"] == {"Fn::Sub": f"{STACK}-MeteringSchedule"}


def test_the_handlers_exist() -> None:
    for name in FUNCTIONS:
        module, _dot, function = properties(name)["Handler"].rpartition(".")
        assert callable(getattr(__import__(module, fromlist=[function]), function))


def test_there_is_one_processor_and_it_answers_each_message() -> None:
    mapping = properties("MeteringProcessorDoorbell")
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert "ScalingConfig" not in mapping
    assert properties("Doorbell")["FifoQueue"] is True
    (target,) = properties("MeteringRetry")["Targets"]
    assert target["SqsParameters"] == {"MessageGroupId": "metering"}
    assert "Input" not in target, "a constant message would be swallowed as a repetition"


def test_a_killed_run_does_not_silence_the_doorbell_past_a_month_s_end() -> None:
    """Its messages hold the only group until they are visible again. Lambda takes no visibility
    below the timeout. Six hours is all there is after a month's end."""
    queue, timeout = properties("Doorbell"), properties("MeteringProcessor")["Timeout"]
    visibility = queue["VisibilityTimeout"]
    assert timeout + 30 <= visibility <= timeout + 120
    assert 3_000 <= queue["RedrivePolicy"]["maxReceiveCount"] * visibility <= 2 * 3_600
    assert properties("DeadDoorbell")["MessageRetentionPeriod"] == 14 * 86_400


def test_the_functions_have_time_for_more_than_their_reserve() -> None:
    job, processor = (properties(name)["Timeout"] for name in FUNCTIONS)
    assert runs.JOB_RESERVE.total_seconds() < job / 4
    assert runs.PROCESSOR_RESERVE.total_seconds() < processor / 2


def test_a_function_may_wake_itself_more_than_sixteen_times() -> None:
    for name in FUNCTIONS:
        assert properties(name)["RecursiveLoop"] == "Allow"


def test_the_request_rate_stays_within_the_quota() -> None:
    rate = loaded()["Parameters"]["RequestsPerSecond"]
    assert rate["Default"] < rate["MaxValue"] == REQUESTS_PER_SECOND_QUOTA


def test_the_schedule_comes_after_the_grace() -> None:
    """Six minutes past each hour, with a grace of five: a closed hour is sealed at once."""
    parameters = loaded()["Parameters"]
    minute = int(parameters["Schedule"]["Default"].removeprefix("cron(").split()[0])
    assert parameters["GraceSeconds"]["Default"] < minute * 60 <= 600


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_environment_is_made_of_settings_that_are_read(name: str) -> None:
    """With the defaults of the parameters the settings load, and unknown ones do not hide."""
    variables = properties(name)["Environment"]["Variables"]
    parameters = loaded()["Parameters"]
    environment = {
        key: str(parameters[value["Ref"]]["Default"])
        for key, value in variables.items()
        if isinstance(value, dict) and value.get("Ref") in parameters
    }
    settings = load(environment, None, None)
    assert settings.policy.grace.total_seconds() == parameters["GraceSeconds"]["Default"]
    read = _source_of_settings()
    assert {key for key in variables if key.startswith("METERING_")} <= read


def _source_of_settings() -> set[str]:
    from marketplace_metering import settings
    from marketplace_metering.aws_lambda import app

    names = {*settings.POLICY_SETTINGS, *settings.OTHER_SETTINGS}
    text = Path(app.__file__).read_text()
    extra = {word for word in text.replace('"', " ").split() if word.startswith("METERING_")}
    return {f"METERING_{name.upper()}" for name in names} | {word.strip(",)]") for word in extra}


def test_only_the_marketplace_is_granted_on_everything() -> None:
    for name in ("MeteringJobRole", "MeteringProcessorRole"):
        for statement in statements(properties(name)["Policies"]):
            actions = statement["Action"]
            actions = [actions] if isinstance(actions, str) else actions
            assert not [each for each in actions if "*" in each], name
            assert "dynamodb:Scan" not in actions
            if statement["Resource"] == "*":
                assert actions == ["aws-marketplace:BatchMeterUsage"]


def test_an_application_may_put_usage_and_nothing_else() -> None:
    (statement,) = properties("RecordUsagePolicy")["PolicyDocument"]["Statement"]
    assert statement["Action"] == "dynamodb:PutItem"
    assert statement["Resource"] == {"Fn::GetAtt": ["MeteringRecords", "Arn"]}


def test_queues_and_topic_refuse_plain_http() -> None:
    for name in ("DoorbellPolicy", "DeadDoorbellPolicy", "NotificationsPolicy"):
        first = properties(name)["PolicyDocument"]["Statement"][0]
        assert first["Effect"] == "Deny" and first["Principal"] == "*"
        assert first["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_every_alarm_tells_people_and_has_a_page() -> None:
    """Metric math is not used: the emulator cannot make such alarms."""
    for name, alarm in alarms().items():
        assert "Metrics" not in alarm, name
        assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "Notifications"}]
        assert alarm["AlarmName"]["Fn::Sub"].startswith(f"{STACK}-Metering")
        page = alarm["AlarmDescription"].rpartition(" See ")[2]
        assert (REPOSITORY / page).is_file(), f"{name} names {page}"


def test_a_run_that_is_missing_is_an_alarm_and_a_quiet_hour_is_none() -> None:
    missing = {name: alarm["TreatMissingData"] for name, alarm in alarms().items()}
    breaching = {name for name, how in missing.items() if how == "breaching"}
    assert breaching == {"JobNotRunAlarm", "ProcessorNotRunAlarm"}


def statements(policies: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for policy in policies:
        for statement in policy["PolicyDocument"]["Statement"]:
            yield from statement["Fn::If"][1:] if "Fn::If" in statement else (statement,)
