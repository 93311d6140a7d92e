"""Functions of the kernel: kprobe, kretprobe, fentry, fexit. Kernels without them are asked for their message."""
import re
import subprocess
from pathlib import Path

import pytest

from conftest import TARSIER

N = 1000
WRITTEN = sum(i % 100 for i in range(N))


def features():
    answer = subprocess.run([TARSIER, "info"], stdout=subprocess.PIPE, text=True).stdout
    return {name: state == "yes" for name, state in re.findall(r"^([^:\n]+): (yes|no)\b", answer, re.M)}


FEATURES = features()
KPROBES = FEATURES["kprobe events"] or FEATURES["kprobe.multi"]
FENTRY = FEATURES["fentry program"]
need_some = pytest.mark.skipif(not KPROBES and not FENTRY, reason="this kernel offers no probes of its functions")
need_kprobes = pytest.mark.skipif(not KPROBES, reason="this kernel has no kprobes")
need_multi = pytest.mark.skipif(not FEATURES["kprobe.multi"], reason="this kernel has no kprobe.multi")
need_fentry = pytest.mark.skipif(not FENTRY, reason="this kernel refuses fentry programs")


def of(workload):
    return f"/pid == {workload.pid}/"


@pytest.mark.machine
@need_some
def test_kprobe(trace, workload):
    vfs = workload("vfs", N)
    answer = trace(f"kprobe:vfs_write {of(vfs)} {{ @ = count(); @sum = sum(arg2); }}", run=vfs)
    assert answer.value() == N + 1  # its "done"
    assert answer.value("@sum") == WRITTEN + len("done\n")
    assert "WARNING" not in answer.stderr


@pytest.mark.machine
@need_some
def test_kretprobe(trace, workload):
    vfs = workload("vfs", N)
    answer = trace(f"kretprobe:vfs_read {of(vfs)} {{ @[retval] = count(); }}", run=vfs)
    assert answer.keyed()["7"] == N


@pytest.mark.machine
@need_some
@pytest.mark.parametrize("name", ["fentry", "kfunc", "f", "kprobe"])
def test_arguments_by_name(trace, workload, name):
    vfs = workload("vfs", N)
    answer = trace(f"{name}:vfs_write {of(vfs)} {{ @[args.file.f_inode.i_rdev] = sum(args.count); @n = count(); }}", run=vfs)
    assert answer.keyed()[str(1 << 20 | 3)] == WRITTEN  # /dev/null
    assert answer.value("@n") == N + 1


@need_some
@pytest.mark.parametrize("name", ["fexit", "kretfunc"])
def test_typed_result(trace, workload, name):
    vfs = workload("vfs", N)
    answer = trace(f"{name}:vfs_read {of(vfs)} {{ @[retval] = count(); @negative = retval < 0; }}", run=vfs)
    assert answer.keyed()["7"] == N and "@negative: false" in answer.stdout


@pytest.mark.machine
@need_fentry
def test_arguments_at_the_return(trace, workload):
    vfs = workload("vfs", N)
    answer = trace(f"fexit:vfs_write {of(vfs)} {{ @[args.count == retval, arg2 == retval] = count(); }}", run=vfs)
    assert answer.keyed() == {"true, true": N + 1}


@need_fentry
def test_pointer_result(trace, workload):
    vfs = workload("vfs", 1)
    opener = f"fexit:do_filp_open {of(vfs)} {{ @[retval.f_mode & 3] = count(); }}"
    answer = trace.command("--dry-run", "-e", opener)
    assert answer.code == 0, answer.stderr


@pytest.mark.machine
@need_some
def test_wildcard(trace, workload):
    vfs = workload("vfs", N)
    answer = trace(f"kprobe:vfs_* {of(vfs)} {{ @[func] = count(); @p[probe] = count(); }}", run=vfs)
    assert answer.keyed()["vfs_write"] == N + 1 and answer.keyed()["vfs_read"] >= N
    assert answer.keyed("@p")["kprobe:vfs_write"] == N + 1


@pytest.mark.machine
@need_multi
def test_a_wildcard_is_one_attachment(trace, workload):
    vfs = workload("vfs", N)
    session = trace.start(f"kretprobe:vfs_* {of(vfs)} {{ @[func] = count(); }}", "-v").wait_attached()
    vfs.go()
    answer = session.finish()
    assert answer.keyed()["vfs_write"] == N + 1
    assert len(re.findall("^loaded", answer.stderr, re.M)) == 1
    assert int(re.search(r"Attached (\d+) probes", answer.stderr).group(1)) > 20


@pytest.mark.machine
@need_multi
@need_fentry
def test_many_trampolines_become_one_attachment(trace, workload):
    vfs = workload("vfs", N)
    session = trace.start(f"fentry:vfs_* {of(vfs)} {{ @[func] = count(); }}", "-v").wait_attached()
    vfs.go()
    answer = session.finish()
    assert answer.keyed()["vfs_write"] == N + 1
    assert "through kprobe.multi" in answer.stderr and len(re.findall("^loaded", answer.stderr, re.M)) == 1


@need_some
def test_fentry_wildcard_with_arguments(trace, workload):
    vfs = workload("vfs", N)
    answer = trace(f"fentry:vfs_writ* {of(vfs)} {{ @[probe, args.file != 0] = count(); }}", run=vfs)
    assert answer.keyed()["fentry:vmlinux:vfs_write, true"] == N + 1


@need_kprobes
def test_registers(trace, workload):
    vfs = workload("vfs", N)
    answer = trace(f'kprobe:vfs_write {of(vfs)} {{ @[reg("dx") == arg2, ctx.di == arg0] = count(); }}', run=vfs)
    assert answer.keyed() == {"true, true": N + 1}


@need_kprobes
def test_offset(trace, workload):
    vfs = workload("vfs", N)
    answers = []
    for offset in range(4, 12):  # some of these begin an instruction
        session = trace.start(f"kprobe:vfs_write+{offset} {{ @ = count(); }} interval:ms:1 {{ exit() }}")
        answers.append(session.wait())
    assert any(answer.code == 0 for answer in answers)
    assert all("in the middle of an instruction" in answer.stderr for answer in answers if answer.code)
    vfs.go()


@need_kprobes
def test_address(trace, workload):
    address = next(line.split()[0] for line in open("/proc/kallsyms") if line.split()[2] == "vfs_write")
    vfs = workload("vfs", N)
    program = f"kprobe:0x{address} {of(vfs)} {{ @[func] = count(); }}"
    assert "not safe" in trace.command("-e", program).stderr
    session = trace.start(program, "--unsafe").wait_attached()
    vfs.go()
    assert session.finish().keyed() == {"vfs_write": N + 1}


@pytest.mark.machine
@need_some
def test_stack_begins_with_the_function(trace, workload):
    vfs = workload("vfs", N)
    for name in ("kprobe", "fentry"):
        answer = trace(f"{name}:vfs_write {{ @[kstack(2)] = count(); }}", run=workload("vfs", 5))
        stacks = re.findall(r"@\[\n\s+(\S+)\n\s+(\S+)", answer.stdout)
        assert stacks and all(first.startswith("vfs_write+") for first, _ in stacks), answer.stdout
    vfs.go()


@need_some
def test_blocks_fire_in_the_order_of_the_script(trace, workload):
    for kind in ("kprobe", "fentry", "kretprobe", "fexit"):
        vfs = workload("vfs", 3)
        answer = trace(f"{kind}:vfs_write {of(vfs)} {{ @ = 1; }} {kind}:vfs_write {of(vfs)} {{ @ = @ * 10 + 2; }} "
                       f"{kind}:vfs_write {of(vfs)} {{ @ = @ * 10 + 3; }}", run=vfs)
        assert answer.value() == 123, kind


@need_some
def test_the_same_function_twice_in_a_block(trace, workload):
    vfs = workload("vfs", N)
    answer = trace(f"kprobe:vfs_write, kprobe:vfs_write, kprobe:vfs_writ* {of(vfs)} {{ @ = count(); }}", run=vfs)
    assert answer.value() == 3 * (N + 1)


@pytest.mark.machine
@need_some
def test_time_between_entry_and_return(trace, workload):
    vfs = workload("vfs", N)
    answer = trace(f"kprobe:vfs_write {of(vfs)} {{ @start[tid] = nsecs; }} kretprobe:vfs_write /@start[tid]/ "
                   "{ @ns = hist(nsecs - @start[tid]); @n = count(); delete(@start[tid]); }", run=vfs)
    assert answer.value("@n") == N + 1 and sum(answer.buckets().values()) == N + 1


@need_some
def test_one_process(trace, workload):
    vfs, other = workload("vfs", N), workload("vfs", N)
    session = trace.start("kprobe:vfs_write { @ = count(); }", "-p", vfs.pid).wait_attached()
    other.go()
    vfs.go()
    assert session.wait().value() == N + 1


def test_names_are_looked_up_everywhere(trace):
    answer = trace.command("-e", "kprobe:vfs_raed { }")
    assert answer.code == 1 and "No matches for kprobe vfs_raed." in answer.stderr and "vfs_read" in answer.stderr
    answer = trace.command("-e", "fentry:vfs_read { print(args.nonsense) }")
    assert answer.code == 1 and "nonsense" in answer.stderr
    answer = trace.command("-e", "fentry:vfs_read { print(arg4) }")
    assert answer.code == 1 and ("has no argument arg4" in answer.stderr or KPROBES)
    answer = trace.command("-e", "kretprobe:vfs_read { print(arg0) }")
    assert answer.code == 1 and "arg0 builtin can not be used with 'kretprobe'" in answer.stderr
    answer = trace.command("-e", "kretprobe:vfs_read+1 { }")
    assert answer.code == 1 and "kprobe:FUNCTION+OFFSET" in answer.stderr


@pytest.mark.skipif(KPROBES or FENTRY, reason="this kernel has them")
@pytest.mark.parametrize("script, hint", [
    ("kprobe:vfs_read { @[comm, arg2] = count(); }", "tracepoint:syscalls:sys_enter_read\n"),
    ("kretfunc:ksys_write { @ = sum(retval) }", "tracepoint:syscalls:sys_exit_write\n"),
    ("f:tcp_sendmsg { @ = sum(args.size) }", "-l 't:*tcp"),
])
def test_reason_and_nearest_tracepoint(trace, script, hint):
    answer = trace.command("-e", script)
    assert answer.code == 255 and "can not be attached: this kernel offers no probes of kernel functions" in answer.stderr
    assert hint in answer.stderr


def test_listing(trace):
    assert "kprobe:vfs_read" in trace.command("-l", "kprobe:vfs_r*").lines()
    lines = trace.command("-lv", "fexit:vfs_read").stdout.splitlines()
    assert lines[0] == "fexit:vmlinux:vfs_read" and "    struct file * file" in lines and "    int64 retval" in lines
    assert "kretprobe:vfs_read" in trace.command("-l", "kr:vfs_read").lines()
    everything = trace.command("-l", "*:vfs_read").lines()
    assert "kprobe:vfs_read" in everything and "kretprobe:vfs_read" not in everything


def test_a_system_call_function_everywhere(trace, workload):
    calls = workload("calls", N)
    answer = trace(f"kprobe:__x64_sys_getppid {of(calls)} {{ @regs[arg0 == 0] = count(); }} "
                   f"kretprobe:__x64_sys_getppid {of(calls)} {{ @[retval] = count(); }}", run=calls)
    assert answer.keyed("@regs") == {"false": N}
    assert list(answer.keyed().values()) == [N]


def test_a_tracepoint_stands_in(trace):
    """The kernels from 6.5 on have the tracepoint, because compilers put the function into its callers."""
    answer = trace("kprobe:blk_account_io_start { @ = arg0; } begin { exit() }", "-v")
    if "No matches" in answer.stderr:
        pytest.skip("neither the function nor the tracepoint is there")
    assert answer.code == 0 and ("through rawtracepoint:block_io_start" in answer.stderr or KPROBES), answer.stderr


@pytest.mark.skipif(KPROBES or FENTRY, reason="this kernel has them")
def test_a_tracepoint_stands_in_only_for_what_it_has(trace):
    answer = trace("kprobe:tcp_set_state { @ = arg1; } begin { exit() }", "-v")
    assert answer.code == 0 and "through rawtracepoint:inet_sock_set_state" in answer.stderr
    for more in ("arg2", "func", 'reg("ip")', "args.state"):
        answer = trace(f"kprobe:tcp_set_state {{ print({more}); }} begin {{ exit() }}")
        assert answer.code == 255 and "can not be attached" in answer.stderr, more


def module():
    """tests/vm/run brings a module that can be loaded; elsewhere there is none."""
    path = Path("/tarsier/dummy.ko")
    if not path.exists():
        pytest.skip("no module to load")
    if not Path("/sys/module/dummy").exists():
        subprocess.run(["insmod", path, "numdummies=0"], check=True)


@need_fentry
def test_functions_of_a_module(trace):
    module()
    session = trace.start("fentry:dummy:dummy_setup { @[func, args.dev != 0] = count(); } kprobe:dummy:dummy_set* { @k[func] = count(); }")
    session.wait_attached()
    for number in range(3):
        subprocess.run(["ip", "link", "add", f"d{number}", "type", "dummy"], check=True)
    answer = session.finish()
    assert answer.keyed() == {"dummy_setup, true": 3} and answer.keyed("@k") == {"dummy_setup": 3}
    for number in range(3):
        subprocess.run(["ip", "link", "del", f"d{number}"], check=True)


def test_a_list_of_functions_from_a_file(trace, tmp_path):
    names = tmp_path / "names"
    names.write_text("vfs_read\nvfs_write\n")
    assert trace.command("-d", "types", "--traceable-functions", names, "-e", "kprobe:vfs_* { @ = count(); }").code == 0
    answer = trace.command("-d", "types", "--traceable-functions", names, "-e", "kprobe:vfs_open* { @ = count(); }")
    assert "No matches for kprobe vfs_open*" in answer.stderr
