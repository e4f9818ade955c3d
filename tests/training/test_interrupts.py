from __future__ import annotations

import os
import signal
import threading

import pytest

from poeem.training.interrupts import interrupt_flag

pytestmark = pytest.mark.skipif(os.name == "nt", reason="os.kill ends the process there")


def test_first_sets_the_flag_second_interrupts_and_the_handler_goes():
    before = signal.getsignal(signal.SIGINT)

    def twice() -> None:
        with interrupt_flag() as asked:
            assert not asked.is_set()
            os.kill(os.getpid(), signal.SIGINT)
            assert asked.wait(1)
            os.kill(os.getpid(), signal.SIGINT)
            threading.Event().wait(1)

    with pytest.raises(KeyboardInterrupt):
        twice()
    assert signal.getsignal(signal.SIGINT) is before


def test_does_nothing_outside_the_main_thread():
    flags = []

    def inside() -> None:
        with interrupt_flag() as asked:
            flags.append(asked.is_set())

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert flags == [False]
