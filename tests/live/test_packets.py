"""skboutput(): what the traced kernel sent and received, as a capture file that is read back here."""
import signal
import socket
import struct
import subprocess
import time

from conftest import TARSIER


def capture(program, work, *options):
    session = subprocess.Popen([TARSIER, *options, "-e", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    line = session.stderr.readline()
    assert "Attached 1 probe" in line, line + session.stderr.read()
    work()
    time.sleep(0.3)
    session.send_signal(signal.SIGINT)
    output, errors = session.communicate(timeout=60)
    return output, errors, session.returncode


def packets(path):
    """(time in ns, length on the wire, captured bytes) of each."""
    data = path.read_bytes()
    magic, major, minor, _, _, _, link = struct.unpack("<IHHIIII", data[:24])
    assert (magic, major, minor, link) == (0xA1B23C4D, 2, 4, 101)
    found, at = [], 24
    while at < len(data):
        seconds, nanoseconds, captured, length = struct.unpack("<IIII", data[at:at + 16])
        found.append((seconds * 10**9 + nanoseconds, length, data[at + 16:at + 16 + captured]))
        at += 16 + captured
    assert at == len(data)
    return found


def send(*payloads):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        server.bind(("127.0.0.1", 0))
        for payload in payloads:
            client.sendto(payload, server.getsockname())
            server.recv(65536)
        return server.getsockname()[1]


# netif_receive_skb sees a packet of the loopback device at its IP header; 17 is UDP
PROBE = ("rawtracepoint:netif_receive_skb { $p = (uint8 *)args.skb.data; if ($p[9] == 17) "
         "{ $r = skboutput(\"%s\", args.skb, %s, %s); printf(\"%%d\\n\", $r); } }")


def test_packets_are_as_they_were_sent(tmp_path):
    file, ports, before = tmp_path / "packets.pcap", [], time.time_ns()
    output, errors, code = capture(PROBE % (file, "args.skb.len", 0), lambda: ports.append(send(b"first", b"x" * 1000)))
    assert code == 0 and output.split()[:2] == ["0", "0"], errors
    ours = [p for p in packets(file) if struct.unpack(">H", p[2][22:24])[0] == ports[0]]
    assert [p[2][28:] for p in ours] == [b"first", b"x" * 1000]
    for when, length, data in ours:
        assert length == len(data) == struct.unpack(">H", data[2:4])[0] and data[12:20] == socket.inet_aton("127.0.0.1") * 2
        assert before - 10**9 < when < time.time_ns() + 10**9
    assert "cut" not in errors


def test_length_and_offset(tmp_path):
    file, ports = tmp_path / "packets.pcap", []
    _, errors, code = capture(PROBE % (file, "12", 20), lambda: ports.append(send(b"abcdefgh")))
    assert code == 0, errors
    ours = [p for p in packets(file) if struct.unpack(">H", p[2][2:4])[0] == ports[0]]
    assert [(length, data[8:]) for _, length, data in ours] == [(16, b"abcd")]


def test_packets_that_are_cut_are_told(tmp_path):
    file = tmp_path / "packets.pcap"
    _, errors, code = capture(PROBE % (file, "args.skb.len", 0), lambda: send(b"y" * 5000))
    assert code == 0
    long = [p for p in packets(file) if p[1] == 5028]
    assert len(long) == 1 and len(long[0][2]) <= 2048
    assert "packets were cut" in errors


def test_a_file_that_cannot_be_made(tmp_path):
    _, errors, code = capture(PROBE % (f"{tmp_path}/absent/packets", "args.skb.len", 0), lambda: send(b"z"))
    assert code == 3 and "cannot create the file of packets" in errors
