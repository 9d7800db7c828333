"""What the kernel keeps a confined process from, and what it leaves it."""

import pytest
from forks import in_forks

from harness import kernel

pytestmark = pytest.mark.skipif(
    not kernel.landlock_version(), reason="this kernel has no Landlock, or it is not switched on"
)
needs_filter = pytest.mark.skipif(
    "seccomp" not in kernel.protection("cpu"), reason="system calls cannot be denied here"
)
TOP = """
import ctypes, multiprocessing, os, shutil, signal, socket, subprocess, sys, threading
from pathlib import Path
import numpy
from harness import kernel
from harness.reach import DEVICES, OF_PREFIX, PROCESS, SYSTEM
"""
SETTING = """
import ctypes, multiprocessing, os, shutil, signal, socket, subprocess, sys, threading
from pathlib import Path
from harness import kernel
from harness.reach import DEVICES, OF_PREFIX, PROCESS, SYSTEM
parent, folder = os.getppid(), Path.cwd()
inside, outside, image = folder / "inside", folder / "outside", folder / "outside" / "image"
inside.mkdir(); outside.mkdir()
for name in ("truth", "image"):
    (outside / name).write_text(name)
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    numbers = kernel.DENIED[os.uname().machine][1]
    if libc.syscall(numbers[name], *arguments) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
python = [Path(p, part) for p in {sys.prefix, sys.base_prefix} for part in OF_PREFIX]
proc = [Path("/proc", name) for name in PROCESS]
kernel.confine([*map(Path, SYSTEM), *proc, *python, image], [inside], DEVICES)
"""
SIGNAL = "os.kill(parent, signal.SIGCONT)"
DENIED = [
    "open(outside / 'truth').read()",
    "os.listdir(outside)",
    "os.listdir('/proc')",
    "os.open(image, os.O_WRONLY)",
    "os.truncate(image, 0)",
    "image.unlink()",
    "image.rename(inside / 'image')",
    "os.link(image, inside / 'image')",
    "os.symlink(outside, inside / 'way'); open(inside / 'way' / 'truth')",
    "(outside / 'new').write_text('x')",
    "(outside / 'new').mkdir()",
    "os.mknod(inside / 'disk', 0o060600, os.makedev(254, 0))",
    "open(f'/proc/{parent}/environ').read()",
    "os.listdir(f'/proc/{parent}/fd')",
    "open(f'/proc/{parent}/root/etc/passwd')",
    "open(f'/proc/{parent}/mem', 'rb')",
    "os.listdir('/dev/shm')",
    "os.chdir(inside); open('../outside/truth')",
    "open('/proc/self/cwd/outside/truth')",
    "assert not subprocess.run(['cat', outside / 'truth']).returncode, 'Permission denied'",
]
FILTERED = [
    "socket.socket()",
    "socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)",
    "socket.socket(socket.AF_UNIX)",
    "call('ptrace', 16, parent, 0, 0)",
    "call('process_vm_readv', parent, 0, 0, 0, 0, 0)",
    "call('pidfd_getfd', 0, 0, 0)",
    "call('inotify_init1', 0)",
    "call('io_uring_setup', 1, 0)",
    "call('shmget', 1, 4096, 0o1666)",
    "call('msgget', 1, 0o1666)",
    "call('keyctl', 0, 0, 0)",
]
LEFT = [
    "image.read_text()",
    "(inside / 'a').write_text('x'); (inside / 'a').rename(inside / 'b'); (inside / 'b').unlink()",
    "shutil.copy(image, inside); (inside / 'd').mkdir()"
    "; shutil.move(inside / 'image', inside / 'd')",
    "subprocess.run([sys.executable, '-c', 'import json'], check=True)",
    "a, b = socket.socketpair(); a.sendall(b'x'); b.recv(1)",
    "from multiprocessing.pool import ThreadPool; ThreadPool(2).map(abs, [1])",
    "t = threading.Thread(target=print); t.start(); t.join()",
    "p = multiprocessing.get_context('fork').Process(target=print); p.start(); p.join()",
    "open('/dev/null', 'w').write('x'); os.urandom(1); open('/proc/meminfo').read()",
    "import numpy, ssl; numpy.ones((9, 9)) @ numpy.ones((9, 9))",
]


@pytest.fixture(scope="module")
def endings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("confined")
    ended = in_forks(folder, TOP, SETTING, [*DENIED, SIGNAL, *FILTERED, *LEFT])
    for number in range(len(ended)):
        outside = folder / str(number) / "outside"
        kept = {path.name: path.read_text() for path in outside.iterdir()}
        assert kept == {"truth": "truth", "image": "image"}
    return {does: ending for does, (ending, _) in ended.items()}


@pytest.mark.parametrize(
    "does", [*DENIED, *(pytest.param(d, marks=needs_filter) for d in FILTERED)]
)
def test_the_kernel_denies(endings, does):
    denied = ("Permission denied", "not permitted", "Invalid cross-device link")
    assert any(reason in endings[does] for reason in denied), endings[does]


@pytest.mark.skipif(kernel.landlock_version() < 6, reason="signals are not denied before version 6")
def test_no_signal_reaches_a_process_outside(endings):
    assert endings[SIGNAL].startswith("PermissionError")


@pytest.mark.parametrize("does", LEFT)
def test_the_kernel_leaves(endings, does):
    assert not endings[does]
