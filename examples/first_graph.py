"""A first graph: numbers in, even ones times ten out, and the books of the run.

python examples/first_graph.py [how many]
"""

import sys

import rxdag
from rxdag import operators as ops
from rxdag import sinks, sources

numbers = rxdag.from_source(sources.range(int(sys.argv[1]) if len(sys.argv) > 1 else 10), name="numbers")
even = numbers.pipe(ops.filter(lambda n: n % 2 == 0), name="even").pipe(ops.map(lambda n: n * 10), name="tens")
print(even.head(3))  # a first look: just enough of it runs

kept = even.to(sinks.collect(), name="kept")
result = rxdag.run(kept)
print(result[kept])
print(result)
