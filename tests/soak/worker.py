"""Threads of the soak: each repeats a step until it is told to stop, and what goes wrong in one fails the run."""

import threading
import traceback


class Worker:
    def __init__(self, name, fail, threads=1):
        self.name, self.fail = name, fail
        self.is_over = threading.Event()
        self.threads = [threading.Thread(target=self.work, daemon=True) for _ in range(threads)]

    def step(self):
        """Returns for how many seconds to wait before the next one."""
        raise NotImplementedError

    def start(self):
        for thread in self.threads:
            thread.start()

    def stop(self):
        """Waits for the steps under way. May be called again, and before the start."""
        self.is_over.set()
        for thread in self.threads:
            if thread.is_alive():
                thread.join()

    def work(self):
        pause_s = 0
        try:
            while not self.is_over.wait(pause_s):
                pause_s = self.step()
        except Exception:
            self.fail(f"{self.name}: {traceback.format_exc()}")
