"""The ``fundwatch`` command: reads options, starts one thing, turns expected errors into one plain sentence."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fundwatch.errors import FundwatchError

if TYPE_CHECKING:
    from grafana.publish import Step

# Everything heavier than the command line itself is imported inside the commands, so that `--help` answers at once.

app = typer.Typer(
    name="fundwatch",
    help="Live monitoring and early warning for a medical-insurance fund.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain sentences, also where the terminal is narrow
    context_settings={"help_option_names": ["-h", "--help"]},
)


grafana_app = typer.Typer(
    help="Put our dashboards into a Grafana that exists already, and compare.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(grafana_app, name="grafana")
notifier_app = typer.Typer(
    help="Deliver alerts to the receivers of FUNDWATCH_WEBHOOKS; without a command below, run the process.",
    invoke_without_command=True,
    rich_markup_mode=None,
)
app.add_typer(notifier_app, name="notifier")


@app.callback()
def _begin() -> None:
    from fundwatch.logs import configure

    configure()


Speed = Annotated[
    str, typer.Option(metavar="X|max", help="times event time (1 = as it happened), or max for as fast as it goes")
]


def _file(text: str) -> Path:
    """A file to read, ``-`` for standard input."""
    if text != "-" and not Path(text).is_file():
        raise typer.BadParameter(f"expected a file, or - for standard input, got {text!r}, which is not there")
    return Path(text)


Input = Annotated[Path, typer.Argument(parser=_file, metavar="FILE")]
Institutions = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, metavar="CSV", help="reference file of the institutions")
]
Drugs = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, metavar="CSV", help="reference file of the drugs")
]
Rules = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, metavar="TOML", help="rule file: values to put over the defaults"),
]
Exceptions = Annotated[
    Path | None,
    typer.Option(
        exists=True, dir_okay=False, metavar="TOML", help="file of filed exceptions: whom, which rules, when, why"
    ),
]
Port = Annotated[int | None, typer.Option(min=1, max=65_535, help="port; a free one if not given")]


@app.command()
def demo(
    input: Annotated[  # noqa: A002  the contract names the option
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, metavar="FILE", help="settlement file; without it the simulator runs"
        ),
    ] = None,
    institutions: Institutions = None,
    drugs: Drugs = None,
    rules: Rules = None,
    exceptions: Exceptions = None,
    speed: Speed = "1",
    duration: Annotated[
        float | None, typer.Option(min=0, metavar="S", help="end by itself after so many seconds")
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            file_okay=False, metavar="DIR", help="keep and continue this folder; default: data/demo, begun anew"
        ),
    ] = None,
    kafka_port: Port = None,
    clickhouse_port: Port = None,
    gateway_port: Port = None,
    console_port: Port = None,
) -> None:
    """Run the whole system on this machine: Kafka, ClickHouse, worker, gateway, console, live traffic."""
    from fundwatch.demo import run
    from fundwatch.plan import Plan

    plan = Plan(
        input=input, institutions=institutions, drugs=drugs, rules=rules, exceptions=exceptions,
        speed=_speed(speed), duration=duration, data_dir=data_dir, kafka_port=kafka_port, clickhouse_port=clickhouse_port,
        gateway_port=gateway_port, console_port=console_port,
    )  # fmt: skip
    raise typer.Exit(run(plan))


@app.command()
def worker() -> None:
    """Judge settlements: topics in, alerts and stored rows out."""
    from clickhouse.settings import StoreSettings
    from fundwatch.settings import load
    from streams.settings import StreamSettings
    from streams.worker import main as work

    raise typer.Exit(work(load(StreamSettings), load(StoreSettings)))


@app.command()
def gateway() -> None:
    """Answer hospitals' audits before the bill is settled."""
    from clickhouse.settings import StoreSettings
    from fundwatch.settings import load
    from streams.gateway.serve import main as serve
    from streams.gateway.settings import GatewaySettings

    raise typer.Exit(serve(load(GatewaySettings), load(StoreSettings)))


@notifier_app.callback()
def notifier(context: typer.Context) -> None:
    """Deliver alerts to the receivers of FUNDWATCH_WEBHOOKS; without a command below, run the process."""
    if context.invoked_subcommand is not None:
        return
    from clickhouse.settings import StoreSettings
    from fundwatch.settings import load
    from streams.notifier.serve import main as serve
    from streams.notifier.settings import NotifierSettings

    raise typer.Exit(serve(load(NotifierSettings), load(StoreSettings)))


@notifier_app.command("resend")
def notifier_resend(
    receiver: Annotated[str, typer.Option(metavar="NAME", help="to this receiver only; default: to all")] = "",
) -> None:
    """Send again what was given up; a running notifier begins at once, else the next one does."""
    import asyncio

    from fundwatch.settings import load
    from streams.notifier.serve import resend
    from streams.notifier.settings import NotifierSettings

    given_up = asyncio.run(resend(load(NotifierSettings), receiver))
    typer.echo(f"{given_up} given up alerts are to be sent again")


@app.command()
def console() -> None:
    """Serve the wall and its API to staff."""
    from clickhouse.settings import StoreSettings
    from console.app import main as serve
    from console.settings import ConsoleSettings
    from fundwatch.settings import load

    raise typer.Exit(serve(load(ConsoleSettings), load(StoreSettings)))


@app.command()
def migrate() -> None:
    """Bring ClickHouse to this version's tables and Kafka to this version's topics; load the institutions, if told where."""
    import asyncio

    from clickhouse.client import connect
    from clickhouse.migrate import migrate as apply
    from clickhouse.reference import load_institutions
    from clickhouse.settings import StoreSettings
    from fundwatch.errors import SettingError
    from fundwatch.settings import load
    from streams.app import ensure_topics
    from streams.settings import StreamSettings

    store, streams = load(StoreSettings), load(StreamSettings)
    done = apply(connect(store), timezone=store.timezone)
    typer.echo("\n".join(f"applied {name}" for name in done) or "the tables are up to date")
    if streams.institutions is not None:
        try:
            typer.echo(f"loaded {load_institutions(connect(store), streams.institutions)} institutions")
        except (OSError, ValueError) as error:
            raise SettingError(f"FUNDWATCH_INSTITUTIONS: {error}") from None
    asyncio.run(ensure_topics(streams))
    typer.echo("the topics are there")


@app.command()
def doctor(
    settings: Annotated[bool, typer.Option("--settings", help="print every setting with its value and origin")] = False,
) -> None:
    """Check broker, ClickHouse and Grafana, and say in plain words what is wrong."""
    from fundwatch.doctor import examine, print_settings

    raise typer.Exit(print_settings() if settings else examine())


@grafana_app.command("publish")
def grafana_publish() -> None:
    """Bring folder, data source, dashboards and annotations to this version's, by uid; 0 done, 1 something left, 2 Grafana not reached."""
    from clickhouse.client import connect as connect_store
    from clickhouse.errors import StoreError
    from clickhouse.settings import StoreSettings
    from fundwatch.settings import load
    from grafana.publish import Step, annotate, committed, connect, publish, rule_changes, source
    from grafana.settings import GrafanaSettings

    settings, store = load(GrafanaSettings), load(StoreSettings)
    api = connect(settings)
    wanted = source(settings, store.clickhouse_url, store.clickhouse_database)
    good = _all_good(publish(api, wanted, settings.grafana_clickhouse_password.get_secret_value(), committed()))
    try:
        marks = rule_changes(connect_store(store))
    except (StoreError, ValueError) as error:
        good = _all_good([Step("wrong", "annotations", (f"ClickHouse: {str(error).splitlines()[0]}",))])
    else:
        good = _all_good(annotate(api, marks)) and good
    raise typer.Exit(0 if good else 1)


@grafana_app.command("check")
def grafana_check() -> None:
    """Say how the Grafana of FUNDWATCH_GRAFANA_URL differs from this version; 0 not at all, 1 somehow, 2 Grafana not reached."""
    from clickhouse.settings import StoreSettings
    from fundwatch.settings import load
    from grafana.publish import check, committed, connect, source
    from grafana.settings import GrafanaSettings

    settings, store = load(GrafanaSettings), load(StoreSettings)
    wanted = source(settings, store.clickhouse_url, store.clickhouse_database)
    raise typer.Exit(0 if _all_good(check(connect(settings), wanted, committed())) else 1)


def _all_good(steps: Iterable[Step]) -> bool:
    """Print a line per step, and one per detail below it."""
    good = True
    for step in steps:
        good = good and step.good
        typer.echo(f"{step.outcome:<10}{step.what}")
        for detail in step.details:
            typer.echo(f"{'':<10}  {detail}")
    return good


@app.command()
def reconcile(
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object instead of a screen")] = False,
) -> None:
    """Compare every number of the panels with what is stored; exit code 1 if one differs, 2 if the store is away."""
    from clickhouse.settings import StoreSettings
    from fundwatch.reconciling import compare_panels
    from fundwatch.settings import load

    raise typer.Exit(compare_panels(load(StoreSettings), as_json=as_json))


@app.command()
def replay(file: Input, speed: Speed = "max") -> None:
    """Publish a settlement file to `settlements`, in file order."""
    from fundwatch.settings import load
    from streams.replay import replay_file
    from streams.settings import StreamSettings

    published = replay_file(file, load(StreamSettings), speed=_speed(speed))
    typer.echo(f"published {published} settlements")


@app.command()
def simulate(
    persons: Annotated[int, typer.Option(min=1, metavar="N", help="insured persons in the city")],
    days: Annotated[int, typer.Option(min=1, metavar="D", help="days of event time")],
    seed: Annotated[int, typer.Option(metavar="S", help="the same seed gives the same file")],
    out: Annotated[Path, typer.Option(dir_okay=False, metavar="FILE", help="settlement file, .jsonl or .jsonl.zst")],
) -> None:
    """Write a synthetic settlement file with its reference files and its truth beside it."""
    from fundwatch.simulating import simulate_file

    simulate_file(persons=persons, days=days, seed=seed, out=out)


@app.command()
def backtest(
    file: Input,
    institutions: Institutions = None,
    drugs: Drugs = None,
    alerts: Annotated[
        Path | None, typer.Option(dir_okay=False, metavar="OUT.jsonl", help="where the alerts go, one JSON line each")
    ] = None,
    rules: Rules = None,
    exceptions: Exceptions = None,
) -> None:
    """Score a file in event time through the worker's own judgement, without a broker."""
    from fundwatch.backtesting import backtest_file

    backtest_file(file, institutions=institutions, drugs=drugs, alerts=alerts, rules=rules, exceptions=exceptions)


def main() -> None:
    """Run the command line; exit code 2 for wrong usage or settings, 1 for failures, never a traceback for expected ones."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if not isinstance(error, _expected()):
            raise
        print(f"fundwatch: {error}", file=sys.stderr)
        sys.exit(getattr(error, "exit_code", 1))


def _expected() -> tuple[type[Exception], ...]:
    from clickhouse.errors import StoreError
    from detectors.errors import DetectorError
    from grafana.errors import GrafanaError
    from schemas.errors import SchemaError
    from streams.errors import StreamsError

    return (FundwatchError, SchemaError, DetectorError, StoreError, GrafanaError, StreamsError, OSError)


def _speed(text: str) -> float | None:
    """Times event time, None for as fast as it goes."""
    if text == "max":
        return None
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if not 0 < factor < float("inf"):
        raise typer.BadParameter(f"expected a number above 0 or max, got {text!r}", param_hint="--speed")
    return factor
