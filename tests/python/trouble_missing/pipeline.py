from typing import List

import a_module_that_nobody_has


class Pipeline:
    def __call__(self, words: List[str]) -> int:
        return a_module_that_nobody_has.count(words)
