"""The limit on threads of linear algebra is one of the whole process, whoever asks for it."""

from threading import Event, Thread

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from probeline.core.blas import one_thread


def threads():
    return {found["num_threads"] for found in threadpool_info() if found["user_api"] == "blas"}


def limit(count):
    # In a thread that ends: threadpoolctl heeds nobody else as long as the one that set a limit lives.
    done = Thread(target=threadpool_limits, kwargs={"limits": count, "user_api": "blas"})
    done.start()
    done.join()


@pytest.fixture(autouse=True)
def two_threads():
    (before,) = threads()
    limit(2)
    yield
    limit(before)


def test_two_threads_do_not_lift_it_for_each_other():
    first_in, second_in, first_out = Event(), Event(), Event()
    seen = []

    @one_thread
    def first():
        first_in.set()
        second_in.wait(0.1)  # in vain: they take turns

    @one_thread
    def second():
        second_in.set()
        first_out.wait(10)
        seen.append(threads())

    one, other = Thread(target=first), Thread(target=second)
    one.start()
    first_in.wait(10)
    other.start()
    one.join()
    first_out.set()
    other.join()
    assert seen == [{1}]
    assert threads() == {2}


def test_it_is_lifted_after_an_error_and_may_be_nested():
    @one_thread
    def inner():
        raise ValueError("a matrix")

    @one_thread
    def outer():
        with pytest.raises(ValueError, match="matrix"):
            inner()
        return threads(), np.eye(3) @ np.ones(3)

    assert outer()[0] == {1}
    assert threads() == {2}
