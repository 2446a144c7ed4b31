"""Tasks in a loop that nobody here wrote: asyncio, over the C functions as they are (rhei_async.h)."""

import asyncio
import ctypes

import pytest

ROW, DONE, BUSY, CANCELLED = 1, 2, 32, 40
ENDLESS = b"WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"


class Value(ctypes.Structure):
    _fields_ = [("integer", ctypes.c_int64), ("length", ctypes.c_uint32), ("type", ctypes.c_uint8)]


class AsyncOptions(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("threads", ctypes.c_uint32), ("tasks", ctypes.c_uint32)]


class Loop:
    """What a binding for asyncio needs: one reader, and a future for each task."""

    def __init__(self, library, tasks):
        self.library, self.waiting = library, {}
        self.db, self.pool = ctypes.c_void_p(), ctypes.c_void_p()
        library.rhei_task_value.restype = Value
        library.rhei_async_take.restype = ctypes.c_void_p
        assert library.rhei_open(b":memory:", None, ctypes.byref(self.db), None) == 0
        options = AsyncOptions(ctypes.sizeof(AsyncOptions), 0, tasks)
        assert library.rhei_async_open(self.db, ctypes.byref(options), ctypes.byref(self.pool), None) == 0
        asyncio.get_running_loop().add_reader(library.rhei_async_fd(self.pool), self.told)

    def told(self):
        while task := self.library.rhei_async_take(self.pool):
            future = self.waiting.pop(task)
            if not future.cancelled():
                future.set_result(task)

    def submit(self, sql):
        task = ctypes.c_void_p()
        status = self.library.rhei_async_submit(self.pool, sql, None, None, ctypes.byref(task), None)
        if status != 0:
            return status
        future = self.waiting[task.value] = asyncio.get_running_loop().create_future()
        return future

    def status(self, task):
        return self.library.rhei_task_status(ctypes.c_void_p(task), None)

    def number(self, task):
        return self.library.rhei_task_value(ctypes.c_void_p(task), ctypes.c_size_t(0), 0).integer

    def free(self, task):
        self.library.rhei_task_free(ctypes.byref(ctypes.c_void_p(task)))

    def close(self):
        asyncio.get_running_loop().remove_reader(self.library.rhei_async_fd(self.pool))
        self.library.rhei_async_close(ctypes.byref(self.pool))
        self.library.rhei_close(ctypes.byref(self.db))


@pytest.fixture
def library(build):
    if build.name.endswith(("-asan", "-tsan")):
        pytest.skip("the library is loaded into Python, which has no sanitizer: test_engine_async is built with them")
    return ctypes.CDLL(str(build / "src" / "librhei.so"))


def test_a_loop_goes_on_while_tasks_run(library):
    async def main():
        loop, ticks = Loop(library, 0), 0
        endless = [loop.submit(ENDLESS) for _ in range(2)]
        answers = [loop.submit(b"SELECT %d * 6" % i) for i in range(100)]
        for i, answer in enumerate(answers):
            task = await asyncio.wait_for(answer, 60)
            assert (loop.status(task), loop.number(task)) == (DONE, i * 6)
            loop.free(task)
        for _ in range(20):
            await asyncio.sleep(0.005)
            ticks += 1
        assert ticks == 20 and not any(future.done() for future in endless)
        for task in list(loop.waiting):
            library.rhei_task_cancel(ctypes.c_void_p(task))
        for future in endless:
            task = await asyncio.wait_for(future, 60)
            assert loop.status(task) == CANCELLED
            loop.free(task)
        loop.close()

    asyncio.run(main())


def test_a_full_queue_is_back_pressure(library):
    async def main():
        loop, refused, done = Loop(library, 8), 0, 0
        there = set()
        for i in range(200):
            while isinstance(future := loop.submit(b"SELECT %d" % i), int):
                assert future == BUSY
                refused += 1
                finished, there = await asyncio.wait(there, return_when=asyncio.FIRST_COMPLETED, timeout=60)
                assert finished
                for one in finished:
                    loop.free(one.result())
                    done += 1
            there.add(future)
        for one in await asyncio.gather(*there):
            loop.free(one)
            done += 1
        assert done == 200 and refused > 0
        loop.close()

    asyncio.run(main())


def test_a_close_with_tasks_left_ends_them(library):
    async def main():
        loop = Loop(library, 0)
        for _ in range(20):
            loop.submit(ENDLESS)
        await asyncio.sleep(0.05)
        loop.close()

    asyncio.run(main())
