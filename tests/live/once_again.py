"""A test that failed is run once more, alone, when all others are done (with -x: at once): on a machine under load
something may come too late that nobody can wait for. One that then passes counts as passed, and is told:

    unsteady: NAME: what the first failure said

Whatever fails again, fails. When many fail, the program is broken and no test is run again."""
from _pytest.runner import runtestprotocol
import pytest

MOST = 8  # failures that may be bad luck


def run(item, next_item):
    reports = runtestprotocol(item, log=False, nextitem=next_item)
    return reports, next((report for report in reports if report.failed), None)


def log(item, reports):
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)


def message(report):
    crash = getattr(report.longrepr, "reprcrash", None)
    return (crash.message if crash else report.longreprtext).strip().split("\n")[0]


class OnceAgain:
    def __init__(self, config):
        self.reporter = config.pluginmanager.getplugin("terminalreporter")
        self.at_once = config.getoption("maxfail") > 0
        self.waiting = []  # (item, reports, the failed one)
        self.unsteady = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item, nextitem):
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        reports, failed = run(item, nextitem)
        if failed:
            self.show(item, failed)
        if failed and self.at_once:
            self.repeat(item, failed, nextitem)
        elif failed and len(self.waiting) < MOST:
            self.waiting.append((item, reports, failed))
        else:
            log(item, reports)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def show(self, item, failed):
        """At once: in a VM the end may never come."""
        self.reporter.write_line(f"\n{item.nodeid} failed, to be run again:\n{failed.longreprtext}")

    def repeat(self, item, failed, next_item=None):
        reports, again = run(item, next_item)
        log(item, reports)
        if not again:
            self.unsteady.append(f"unsteady: {item.nodeid}: {message(failed)}")

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtestloop(self):
        outcome = yield
        outcome.get_result()
        many = len(self.waiting) >= MOST
        for item, reports, failed in self.waiting:
            if many:
                log(item, reports)
            else:
                self.repeat(item, failed)

    def pytest_terminal_summary(self):
        for line in self.unsteady:
            self.reporter.write_line(line)
