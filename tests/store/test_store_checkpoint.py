"""The checkpoint thread: what it does when, and what it survives."""

import threading

from store_kit import Config

from lwm2m_fast.errors import StoreError
from lwm2m_fast.store.changes import put
from lwm2m_fast.store.checkpoint import Checkpointer, Task
from lwm2m_fast.store.lmdb import LmdbStore


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_each_task_runs_when_it_is_due_and_only_then():
    clock, runs = Clock(), []
    tasks = [Task(lambda: runs.append("fold"), 1.0), Task(lambda: runs.append("sync"), 3.0)]
    checkpointer = Checkpointer(tasks, clock)
    for task in tasks:
        task.due_at = clock.now + task.every_s
    assert (checkpointer.run_due(False), runs) == (1.0, [])
    clock.now = 101.0
    assert (checkpointer.run_due(False), runs) == (1.0, ["fold"])
    clock.now = 103.5
    checkpointer.run_due(False)
    assert runs == ["fold", "fold", "sync"]


def test_being_woken_runs_the_first_task_before_it_is_due():
    runs = []
    tasks = [Task(lambda: runs.append("fold"), 1e9), Task(lambda: runs.append("sync"), 1e9)]
    checkpointer = Checkpointer(tasks, Clock())
    for task in tasks:
        task.due_at = 1e9
    checkpointer.run_due(True)
    assert runs == ["fold"]


def test_a_task_that_fails_says_why_until_it_succeeds():
    failures = [StoreError("disk full"), ZeroDivisionError("a bug")]
    failures.reverse()

    def act():
        if failures:
            raise failures.pop()

    task = Task(act, 1.0)
    task.run()
    assert task.problem == "disk full"
    task.run()
    assert task.problem == "checkpoint failed: ZeroDivisionError('a bug')"
    task.run()
    assert (task.problem, task.failures) == (None, 2)


def test_the_thread_runs_when_woken_and_ends_when_stopped():
    ran = threading.Event()
    checkpointer = Checkpointer([Task(ran.set, 3600.0)])
    checkpointer.start()
    checkpointer.wake()
    assert ran.wait(timeout=10)
    checkpointer.stop()
    assert not checkpointer._thread.is_alive()


def test_a_thread_never_started_can_be_stopped():
    Checkpointer([Task(lambda: None, 1.0)]).stop()


def test_the_open_store_folds_by_itself_when_half_its_journal_is_used(tmp_path):
    store = LmdbStore(str(tmp_path), Config(checkpoint_interval_s=3600.0, journal_max_bytes=1000))
    folded = threading.Event()
    store.state._step = lambda name: folded.set() if name == "journal" else None
    store.state.apply(put(1, b"k", b"v" * 600))
    assert folded.wait(timeout=10)
    store.close()
    assert store.counters()["store_folds"] == 1


def test_a_failing_checkpoint_is_reported_and_the_store_goes_on(tmp_path):
    store = LmdbStore(str(tmp_path), Config(), start=False)

    def fail(name):
        raise StoreError("no space")

    store.state._step = fail
    store.state.apply(put(1, b"k", b"v"))
    fold = store._checkpointer.tasks[0]
    fold.run()
    assert store.health() == "no space"
    assert store.counters()["store_checkpoint_failures"] == 1
    store.state.apply(put(1, b"k2", b"v"))
    assert store.state.get(1, b"k") == b"v"
    store.state._step = lambda name: None
    fold.run()
    assert store.health() is None
    store.close()


def test_sync_is_a_task_only_when_commits_are_not_synced_themselves(tmp_path):
    for durability, count in (("commit", 3), ("sync", 2)):
        config = Config(durability=durability)
        store = LmdbStore(str(tmp_path / durability), config, start=False)
        assert len(store._checkpointer.tasks) == count
        store.close()
