"""Started as bpftrace, and the options that scripts around bpftrace use."""
import os
import re
import subprocess

import pytest

from conftest import TARSIER


@pytest.fixture(scope="module")
def bpftrace(tmp_path_factory):
    """Runs tarsier through a link of that name; both streams in one, as they come."""
    link = tmp_path_factory.mktemp("bin") / "bpftrace"
    link.symlink_to(os.path.abspath(TARSIER))

    def run(*arguments, environment=None):
        done = subprocess.run([link, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
                              stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})})
        return done.returncode, done.stdout

    return run


def test_version_line(bpftrace):
    code, text = bpftrace("--version")
    assert code == 0 and re.fullmatch(r"bpftrace v0\.\d+\.\d+ \(tarsier [\d.]+\)\n", text)


def test_help_shows_the_name_it_was_started_by(bpftrace):
    code, text = bpftrace("-h")
    assert code == 0 and "USAGE:\n    bpftrace [OPTIONS] -e" in text


@pytest.mark.parametrize("arguments", [["-idonotexist"], ["-e", "begin { }", "--aa=20"]])
def test_unknown_options_show_the_usage(bpftrace, arguments):
    code, text = bpftrace(*arguments)
    assert code == 1 and text.startswith("ERROR: unknown option -") and "\nUSAGE:\n" in text


@pytest.mark.parametrize("arguments", [["--verify-llvm-ir"], ["-b"], ["--btf"], ["--usdt-file-activation"], ["--dwarf-pid", "1"],
                                       ["--no-feature", "uprobe_multi,kprobe_multi"], ["-kk"], ["--no-warnings"]])
def test_options_that_change_nothing_here(bpftrace, arguments):
    assert bpftrace(*arguments, "-e", "begin { print(5); }") == (0, "Attached 1 probe\n5\n\n\n")


def test_begin_speaks_after_the_number_of_probes(bpftrace):
    code, text = bpftrace("-e", 'begin { printf("one\\n"); } interval:ms:1 { printf("two\\n"); exit(); } end { printf("three\\n"); }')
    assert code == 0 and re.match(r"Attached 3 probes\none\n(two\n)+three\n\n\n$", text)


@pytest.mark.parametrize("quiet, before", [([], "Attached 1 probe\n"), (["-q"], "")])
def test_waiting_programs_are_told_of_the_attachment(bpftrace, quiet, before):
    environment = {"__BPFTRACE_NOTIFY_PROBES_ATTACHED": "1"}
    assert bpftrace(*quiet, "-e", "begin { print(5); }", environment=environment)[1] == \
        before + "__BPFTRACE_NOTIFY_PROBES_ATTACHED\n5\n\n\n"


def test_dry_run_attaches_and_says_nothing(bpftrace):
    code, text = bpftrace("--dry-run", "-e", 'begin { print("b"); @ = 1; } interval:ms:1 { print("i"); } end { print("e"); }')
    assert (code, text) == (0, "Attached 3 probes\n\n\n")


def test_compiling_only(bpftrace):
    assert bpftrace("--mode", "codegen", "-e", "begin { print(5); }") == (0, "")
    assert bpftrace("--mode", "codegen", "-e", "begin { print($x); }")[0] == 1


@pytest.mark.parametrize("expression, answer", [(":2", "two"), ("(ms:2|us:77777777)$", "two"), ("ms", "one")])
def test_probe_filter(bpftrace, expression, answer):
    program = "interval:ms:1 { print(\"one\"); exit(); } interval:ms:2 { print(\"two\"); exit(); }"
    assert bpftrace("-q", "--probe-filter", expression, "-e", program)[1].split()[0] == answer


def test_probe_filter_spares_begin_and_end(bpftrace):
    code, text = bpftrace("-q", "--probe-filter", "none", "-e", "begin { print(1); } interval:s:9 { print(3); } end { print(2); }")
    assert (code, text) == (0, "1\n2\n\n\n")


@pytest.mark.parametrize("expression, message", [("none", "ERROR: No probes to attach\n"), ("[x", "Invalid --probe-filter regex \"[x\": ")])
def test_probe_filter_that_leaves_nothing(bpftrace, expression, message):
    code, text = bpftrace("--probe-filter", expression, "-e", "interval:s:1 { exit(); }")
    assert code == 1 and message in text


@pytest.mark.parametrize("option, expected", [([], 1), (["--no-warnings"], 0)])
def test_warnings_can_be_turned_off(bpftrace, option, expected):
    assert bpftrace(*option, "-e", "begin { @a = 0; @ = 5 / @a; }")[1].count("WARNING") == expected


def test_failures_are_shown_where_they_happen(bpftrace):
    text = bpftrace("-q", "-e", "begin { @a = 0; print(5 / @a); }")[1]
    assert re.search(r"^stdin:1:23-2\d: WARNING: Divide or modulo by 0 detected\. .* \(1 time\)\n"
                     r"begin { @a = 0; print\(5 / @a\); }\n {22}~+\n", text, re.M), text


def test_missing_file(bpftrace):
    assert bpftrace("no-such-file.bt") == (1, "ERROR: failed to open file 'no-such-file.bt': No such file or directory\n")


def test_missing_format(bpftrace):
    code, text = bpftrace("-f", "jsonx", "-e", "begin { }")
    assert code == 1 and 'ERROR: Invalid output format "jsonx"' in text


@pytest.mark.parametrize("line", ["Loop support", "probe_read_kernel", "btf", "send_signal", "iter", "get_ktime_ns (tai)",
                                  "bcc library path resolution", "libdw (DWARF support)", "jiffies64", "lookup_percpu_elem"])
def test_info_has_the_lines_that_scripts_grep(bpftrace, line):
    assert f"  {line}: yes\n" in bpftrace("--info")[1]


@pytest.mark.parametrize("line", ["fentry", "dpath", "kprobe", "kprobe_multi", "kprobe_session", "uprobe_multi", "skboutput", "get_func_ip",
                                  "dwunwind (DWARF stack unwinding)", "blazesym (advanced symbolization)"])
def test_info_answers(bpftrace, line):
    assert re.search(rf"^  {re.escape(line)}: (yes|no)$", bpftrace("--info")[1], re.M)


# ---- listing -----------------------------------------------------------------------------------------------------------

def test_several_patterns_are_listed(bpftrace):
    code, text = bpftrace("-l", "struct path, struct file,software:cpu")
    assert (code, text.split("\n")) == (0, ["vmlinux: struct path", "vmlinux: struct file", "software:cpu:", ""])


def test_a_missing_script_is_no_pattern_of_its_own_making(bpftrace):
    code, text = bpftrace("-l", "no-such.bt")
    assert code == 0 and text.startswith("WARNING: It appears that 'no-such.bt' is a filename but the file does not exist.")


def test_functions_of_a_process_are_among_all_probes(bpftrace, workload):
    lines = bpftrace("-l", "-p", str(workload("spin", 0).pid))[1].split("\n")
    assert [line for line in lines if line.startswith("software:")]
    assert [line for line in lines if re.match("uprobe:.*/spin:main$", line)]
    assert not [line for line in lines if line.startswith("uretprobe:")]


@pytest.mark.parametrize("pid, message", [
    ("x1", "ERROR: Failed to parse pid: invalid integer: x1"),
    ("1x", "ERROR: Failed to parse pid: invalid trailing bytes: 1x"),
    ("5000000", "ERROR: Pid out of range: 5000000"),
])
def test_wrong_pids(bpftrace, pid, message):
    code, text = bpftrace("-p", pid, "-e", "begin { }")
    assert code == 1 and message in text


# ---- names -------------------------------------------------------------------------------------------------------------

def test_numbers_of_system_calls_have_names(bpftrace):
    assert bpftrace("-q", "-e", "begin { print(__NR_nanosleep == SYS_nanosleep); print(__NR_close > 0); }")[1] == "true\ntrue\n\n\n"


def test_built_ins_under_the_names_of_bpftraces_library(bpftrace):
    assert bpftrace("-q", "-e", "begin { print(__builtin_pid == pid); print(__builtin_comm); }")[1] == "true\nbpftrace\n\n\n"


@pytest.mark.parametrize("length, shown", [(4, "/hom.."), (6, "/home/.."), (8, "/home/xy.."), (10, "/home/xyz"), (64, "/home/xyz")])
def test_text_that_is_cut_says_so(trace, length, shown):
    """All of max_strlen is shown, and only what is longer gets the dots."""
    program = "tracepoint:syscalls:sys_enter_access { print(str(args.filename)); }"
    session = trace.start(program, environment={"BPFTRACE_MAX_STRLEN": str(length)}).wait_attached()
    os.access("/home/xyz", os.F_OK)
    assert shown in session.finish().lines()
