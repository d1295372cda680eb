"""Command lines are read as pflag reads them: the wording is the real components' own."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.controlplane import apiserver, controllermanager, scheduler
from labs.controlplane.apiserver import options
from labs.controlplane.controllermanager.options import FLAGS
from labs.controlplane.flags import FlagError, FlagSet, HelpWanted
from labs.controlplane.flagvalues import comma_separated, port_range
from labs.golang.duration import duration

SCHEDULER = FlagSet.of("kube-scheduler", Path(scheduler.__file__).with_name("usage.txt"))
MANAGER = FlagSet.of("kube-controller-manager", Path(controllermanager.__file__).with_name("usage.txt"))
APISERVER = FlagSet.of("kube-apiserver", Path(apiserver.__file__).with_name("usage.txt"))
PARSE = {
    "kube-apiserver": options.parse,
    "kube-controller-manager": MANAGER.parse,
    "kube-scheduler": SCHEDULER.parse,
}
#: What the real programs, 1.36.2, say of a value of each type given to each of their flags.
RECORDED = [
    json.loads(line) for line in Path(__file__).with_name("command_lines.jsonl").read_text().splitlines()
]

REFUSED = [
    ("--wrong", "unknown flag: --wrong"),
    ("--cloud-provider=external", "unknown flag: --cloud-provider"),
    ("-x", "unknown shorthand flag: 'x' in -x"),
    ("---config=x", "bad flag syntax: ---config=x"),
    ("--config", "flag needs an argument: --config"),
    ("stray", '"kube-scheduler" does not take any arguments, got ["stray"]'),
    (
        "--leader-elect=maybe",
        'invalid argument "maybe" for "--leader-elect" flag: strconv.ParseBool: parsing "maybe": '
        "invalid syntax",
    ),
    (
        "--secure-port=x",
        'invalid argument "x" for "--secure-port" flag: strconv.ParseInt: parsing "x": invalid syntax',
    ),
    ("--bind-address=x", 'invalid argument "x" for "--bind-address" flag: failed to parse IP: "x"'),
    (
        "--leader-elect-lease-duration=5",
        'invalid argument "5" for "--leader-elect-lease-duration" flag: time: missing unit in duration "5"',
    ),
    (
        "--kube-api-qps=x",
        'invalid argument "x" for "--kube-api-qps" flag: strconv.ParseFloat: parsing "x": invalid syntax',
    ),
    ("--v=x", 'invalid argument "x" for "-v, --v" flag: strconv.ParseUint: parsing "x": invalid syntax'),
]


@pytest.mark.parametrize(("argument", "message"), REFUSED)
def test_a_bad_command_line_is_refused_in_pflags_words(argument, message):
    with pytest.raises(FlagError) as refusal:
        SCHEDULER.parse([argument])

    assert str(refusal.value) == message


@pytest.mark.parametrize("program", PARSE)
def test_every_flag_takes_and_refuses_the_values_that_the_real_program_does(program):
    def said(arguments):
        with pytest.raises(FlagError) as refusal:
            PARSE[program](arguments)
        return f"Error: {refusal.value}"

    lines = [line for line in RECORDED if line["program"] == program]
    wrong = [(line, words) for line in lines if (words := said(line["arguments"])) != line["says"]]

    assert wrong == []


@given(st.sampled_from(sorted(PARSE)), st.text(st.characters(codec="utf-8").filter(str.isprintable)))
def test_a_value_that_is_no_number_is_carried_by_the_message(program, value):
    text = f"{value}!"

    with pytest.raises(FlagError) as refusal:
        PARSE[program]([f"--secure-port={text}"])

    shown = json.dumps(text, ensure_ascii=False)
    why = f"strconv.ParseInt: parsing {shown}: invalid syntax"
    assert str(refusal.value) == f'invalid argument {shown} for "--secure-port" flag: {why}'


@pytest.mark.parametrize(
    ("parse", "argument", "why"),
    [
        (
            options.parse,
            "--admission-control=NodeRestriction",
            "Flag --admission-control has been deprecated, Use --enable-admission-plugins or "
            "--disable-admission-plugins instead. Will be removed in a future version.\n",
        ),
        (options.parse, "--enable-admission-plugins=NodeRestriction", ""),
        (
            FLAGS.parse,
            "--node-sync-period=10s",
            "Flag --node-sync-period has been deprecated, This flag is currently no-op and will be "
            "deleted.\n",
        ),
    ],
)
def test_a_deprecated_flag_is_taken_and_told_of(parse, argument, why, capsys):
    parse([argument])

    assert capsys.readouterr().err == why


def test_what_cannot_be_printed_is_shown_as_go_shows_it():
    value = "\x1f!\a\b\f\v\x7f\u00a0\u200b\u00e9\U000e0001\r"

    with pytest.raises(FlagError) as refusal:
        PARSE["kube-scheduler"]([f"--secure-port={value}"])

    shown = r'"\x1f!\a\b\f\v\x7f\u00a0\u200bé\U000e0001\r"'
    why = f"strconv.ParseInt: parsing {shown}: invalid syntax"
    assert str(refusal.value) == f'invalid argument {shown} for "--secure-port" flag: {why}'


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1), min_size=1))
def test_what_stands_in_double_quotes_is_one_value_of_a_list(values):
    line = ",".join('"' + value.replace('"', '""') + '"' for value in values)

    assert comma_separated(line) == values


@pytest.mark.parametrize(
    ("text", "ports"),
    [("30000-32767", (30000, 32767)), ("30000+5", (30000, 30005)), ("30080", (30080, 30080)), ("", (0, 0))],
)
def test_a_range_of_ports_has_three_spellings(text, ports):
    assert port_range(text) == ports


@given(st.from_regex(r"[a-z][a-z0-9]{0,20}", fullmatch=True))
def test_an_unknown_flag_is_named(name):
    with pytest.raises(FlagError, match=f"^unknown flag: --zz-{name}$"):
        MANAGER.parse([f"--zz-{name}=1"])


def test_a_value_may_follow_its_flag_or_be_tied_to_it():
    flags = SCHEDULER.parse(["--kubeconfig", "/a", "--config=/b", "-v", "4"])

    assert (flags.text("kubeconfig"), flags.text("config"), flags.number("v")) == ("/a", "/b", 4)


def test_a_switch_never_takes_the_next_word():
    with pytest.raises(FlagError, match="does not take any arguments"):
        SCHEDULER.parse(["--leader-elect", "false"])


def test_what_is_not_given_has_the_default_of_the_usage_text():
    flags = SCHEDULER.parse([])

    assert flags.switch("leader-elect")
    assert flags.number("secure-port") == 10259
    assert flags.seconds("leader-elect-lease-duration") == 15
    assert flags.text("leader-elect-resource-name") == "kube-scheduler"


def test_a_list_given_twice_has_the_values_of_both():
    flags = MANAGER.parse(["--controllers=*,bootstrapsigner", "--controllers=-ttl-controller"])

    assert flags.words("controllers") == ["*", "bootstrapsigner", "-ttl-controller"]


@pytest.mark.parametrize("flags", [SCHEDULER, MANAGER, APISERVER], ids=lambda flags: flags.program)
def test_help_is_asked_for_by_either_name(flags):
    for spelled in ("--help", "-h"):
        with pytest.raises(HelpWanted):
            flags.parse([spelled])


@pytest.mark.parametrize(
    ("text", "seconds"), [("0", 0), ("15s", 15), ("1m30s", 90), ("1.5h", 5400), ("-2ms", -0.002)]
)
def test_durations_are_gos(text, seconds):
    assert duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", 'time: invalid duration ""'),
        ("x", 'time: invalid duration "x"'),
        ("5", 'time: missing unit in duration "5"'),
        ("5y", 'time: unknown unit "y" in duration "5y"'),
    ],
)
def test_what_is_no_duration_is_refused_in_gos_words(text, message):
    with pytest.raises(ValueError, match=message):
        duration(text)
