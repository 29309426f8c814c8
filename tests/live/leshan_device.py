"""A device made with the Leshan client library, as a process; skips where it cannot be had.

The library comes from Maven's registry (leshan/pom.xml); java and mvn must be there.
"""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
import threading
from pathlib import Path
from xml.sax.saxutils import escape

import pytest

from lwm2m_fast.model import Model, ObjectDefinition, built_in

HERE = Path(__file__).parent / "leshan"
CLASSPATH = Path(__file__).parents[2] / "build" / "leshan-classpath"
FETCH_S = 300.0

_TYPES = {
    "STRING": "String", "INTEGER": "Integer", "UNSIGNED_INTEGER": "Unsigned Integer",
    "FLOAT": "Float", "BOOLEAN": "Boolean", "OPAQUE": "Opaque", "TIME": "Time",
    "OBJLNK": "Objlnk", "CORELNK": "Corelnk", "NONE": "",
}  # fmt: skip


def classpath() -> str:
    """Everything that the client needs, fetched once."""
    if shutil.which("java") is None or shutil.which("mvn") is None:
        pytest.skip("java and mvn are needed for the Leshan client")
    if not CLASSPATH.exists() or not all(map(os.path.exists, CLASSPATH.read_text().split(":"))):
        command = ["mvn", "-q", "-B", "-f", str(HERE / "pom.xml"), "dependency:build-classpath"]
        command.append(f"-Dmdep.outputFile={CLASSPATH}")
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_S)
        except subprocess.TimeoutExpired:
            pytest.skip("the registry does not answer")
        if done.returncode:
            pytest.skip(f"the Leshan client cannot be fetched: {done.stdout[-200:]}")
    return CLASSPATH.read_text()


def ddf(definition: ObjectDefinition) -> str:
    """The definition as the XML that the client reads (LWM2M schema 1.1)."""
    items = "".join(
        f'<Item ID="{each.id}"><Name>{escape(each.name)}</Name>'
        f"<Operations>{each.operations}</Operations>"
        f"<MultipleInstances>{'Multiple' if each.multiple else 'Single'}</MultipleInstances>"
        f"<Mandatory>{'Mandatory' if each.mandatory else 'Optional'}</Mandatory>"
        f"<Type>{_TYPES[each.type.value]}</Type><RangeEnumeration></RangeEnumeration>"
        "<Units></Units><Description></Description></Item>"
        for each in definition.resources.values()
    )
    return (
        f'<LWM2M><Object ObjectType="MODefinition"><Name>{escape(definition.name)}</Name>'
        f"<Description1></Description1><ObjectID>{definition.id}</ObjectID>"
        f"<ObjectURN>{definition.urn}</ObjectURN><LWM2MVersion>1.1</LWM2MVersion>"
        f"<ObjectVersion>{definition.version}</ObjectVersion>"
        f"<MultipleInstances>{'Multiple' if definition.multiple else 'Single'}</MultipleInstances>"
        "<Mandatory>Optional</Mandatory>"
        f"<Resources>{items}</Resources><Description2></Description2></Object></LWM2M>"
    )


class LeshanDevice:
    """From its start to close(); `expect` waits for a line that it prints.

    `more`: "bootstrap", and then perhaps identity and key (hex), as LeshanDevice.java has it.
    """

    def __init__(self, endpoint: str, uri: str, directory: Path, *more: str) -> None:
        found = Model(built_in()).find(3442)
        assert found is not None
        (directory / "3442.xml").write_text(ddf(found))
        words = ["java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", classpath()]
        self.process = subprocess.Popen(
            [*words, str(HERE / "LeshanDevice.java"), endpoint, uri, str(directory), *more],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self.said: list[str] = []
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.rstrip())
        self._lines.put("(it has ended)")

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def expect(self, beginning: str, seconds: float = 60.0) -> str:
        """The next line that begins so."""
        while True:
            try:
                line = self._lines.get(timeout=seconds)
            except queue.Empty:
                raise AssertionError(f"no {beginning!r} after {self.said[-20:]}") from None
            self.said.append(line)
            if line.startswith(beginning):
                return line
            assert line != "(it has ended)", self.said[-20:]

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._listener.join()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()
