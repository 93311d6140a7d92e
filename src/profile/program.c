/* The program that samples. The tuples it prints: sample_int.h. */
#include "profile/sample.h"
#include "profile/sample_int.h"
#include <inttypes.h>
#include <unistd.h>

struct writer {
    const struct profile_sampling *sampling;
    bool by_process; /* @traced has the processes */
    struct strbuf *out;
};

static const char *kernel_stack(const struct writer *w) { return w->sampling->kernel ? "kstack" : "0"; }
static const char *user_stack(const struct writer *w) { return w->sampling->user ? "ustack" : "0"; }

/* Which processes: those that were named and what they start. A command counts from its execve on. */
static void add_processes(struct writer *w, pid_t pid) {
    if (pid)
        strbuf_addf(w->out, "begin { @traced[%d] = 1; }\n", (int)pid);
    else
        strbuf_addstr(w->out, "rawtracepoint:sched_process_exec /pid == cpid/ { @traced[pid] = 1; }\n");
    strbuf_addstr(w->out,
                  "rawtracepoint:sched_process_fork /@traced[args.parent->tgid]/ { @traced[args.child->tgid] = 1; }\n"
                  "rawtracepoint:sched_process_exit /curtask->signal->live.counter == 0/ { delete(@traced, pid); }\n");
}

/* The current thread is one to be looked at. */
static void add_condition(struct writer *w) {
    if (w->by_process)
        strbuf_addstr(w->out, "@traced[pid]");
    else
        strbuf_addf(w->out, "pid != 0 && pid != %d", (int)getpid());
}

static void add_on_cpu(struct writer *w) {
    strbuf_addf(w->out, "profile:hz:%" PRIu64 " /", w->sampling->frequency);
    add_condition(w);
    strbuf_addf(w->out,
                "/ {\n"
                "    print((%d, pid, tid, cpu, comm, curtask->group_leader->comm, %s, %s));\n"
                "}\n",
                SAMPLE_IS_ON_CPU, kernel_stack(w), user_stack(w));
}

/* prev leaves the CPU. Blocked: its state says so (0x80: it has ended), and nobody took the CPU from it. */
static void add_leaving(struct writer *w) {
    strbuf_addstr(w->out, "    if (");
    add_condition(w);
    if (w->sampling->mode == PROFILE_WALL)
        strbuf_addf(w->out,
                    " && (args.prev_state & 0x80) == 0) {\n"
                    "        $kind = args.preempt || args.prev_state == 0 ? %d : %d;\n",
                    SAMPLE_IS_WAITING, SAMPLE_IS_BLOCKED);
    else
        strbuf_addf(w->out,
                    " && !args.preempt && args.prev_state != 0 && (args.prev_state & 0x80) == 0) {\n"
                    "        $kind = %d;\n",
                    SAMPLE_IS_BLOCKED);
    strbuf_addf(w->out,
                "        @off[args.prev->pid] = (nsecs, $kind, pid, comm, curtask->group_leader->comm, %s, %s);\n"
                "    }\n",
                kernel_stack(w), user_stack(w));
}

/* next comes back. */
static void add_return(struct writer *w) {
    bool wakeup = w->sampling->mode == PROFILE_WAKEUP;
    strbuf_addf(w->out,
                "    $tid = args.next->pid;\n"
                "    if (@off[$tid].%d) {\n"
                "        $off = @off[$tid];\n"
                "        $ns = nsecs - $off.%d;\n"
                "        delete(@off, $tid);\n",
                LEFT_SINCE, LEFT_SINCE);
    if (wakeup)
        strbuf_addstr(w->out, "        $waker = @waker[$tid];\n"
                              "        delete(@waker, $tid);\n");
    bool limited = w->sampling->least_us != 0;
    if (limited)
        strbuf_addf(w->out, "        if ($ns >= %" PRIu64 ") {\n", w->sampling->least_us * 1000);
    strbuf_addf(w->out, "%*sprint(($off.%d, $off.%d, $tid, cpu, $off.%d, $off.%d, $off.%d, $off.%d, $ns%s));\n%s",
                limited ? 12 : 8, "", LEFT_KIND, LEFT_PID, LEFT_COMM, LEFT_PROCESS_NAME, LEFT_KERNEL_STACK,
                LEFT_USER_STACK, wakeup ? ", $waker.0, $waker.1, $waker.2, $waker.3" : "",
                limited ? "        }\n" : "");
    strbuf_addstr(w->out, "    }\n");
}

static void add_off_cpu(struct writer *w) {
    strbuf_addstr(w->out, "rawtracepoint:sched_switch {\n");
    add_leaving(w);
    add_return(w);
    strbuf_addstr(w->out, "}\n");
    if (w->sampling->mode == PROFILE_WAKEUP)
        strbuf_addf(w->out,
                    "rawtracepoint:sched_waking {\n"
                    "    $tid = args.p->pid;\n"
                    "    if (@off[$tid].%d) { @waker[$tid] = (pid, comm, %s, %s); }\n"
                    "}\n",
                    LEFT_SINCE, kernel_stack(w), user_stack(w));
}

void profile_write_program(const struct profile_sampling *sampling, pid_t pid, bool has_command, struct strbuf *out) {
    struct writer w = {sampling, pid || has_command, out};
    strbuf_addstr(out, "config = { max_stacks = 16384; max_map_keys = 65536 }\n");
    if (w.by_process)
        add_processes(&w, pid);
    if (sampling->mode == PROFILE_ON_CPU || sampling->mode == PROFILE_WALL)
        add_on_cpu(&w);
    if (sampling->mode != PROFILE_ON_CPU)
        add_off_cpu(&w);
    if (sampling->duration_ms)
        strbuf_addf(out, "interval:ms:%" PRIu64 " { exit(); }\n", sampling->duration_ms);
    if (sampling->tick_ms)
        strbuf_addf(out, "interval:ms:%" PRIu64 " { print(0); }\n", sampling->tick_ms);
}
