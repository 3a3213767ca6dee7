"""Shadow: the state of a job in a run with other sinks, without effect on the job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rxdag.checkpoints import SqliteStore
from rxdag.codec import Codec
from rxdag.engine import InnerNode
from rxdag.errors import CheckpointError
from rxdag.runtime._execution import Execution
from rxdag.runtime._graph_changes import Changes
from rxdag.runtime._identity import graph_of
from rxdag.runtime._resuming import resume, saved_run


@dataclass(frozen=True)
class Shadow:
    """The last checkpoint of a store, for runs whose sinks have all been replaced.

    Such a run takes no checkpoints. The store is only read, even while the job has it open.

    Attributes:
        store: Store of the job.
    """

    store: SqliteStore

    def begun(self, execution: Execution, changes: Changes, codec: Codec) -> Execution:
        """Return a run that begins with the state of the checkpoint, except that of the sinks.

        Items that are queued for a sink are kept.

        Raises:
            CheckpointError: If there is no state, or it does not fit the graph.
        """
        for node in execution.program.nodes.values():
            if isinstance(node, InnerNode):
                node.records = False  # the job records its own answers
        where, last = f'checkpoints "{self.store.path}"', self.store.latest()
        if last is None or last.is_done:
            found = "none yet" if last is None else f"checkpoint {last.id} of a job that is done"
            raise CheckpointError(
                f"{where}: must have a checkpoint to continue from, got {found}; use an earlier backup"
            )
        graph = graph_of(execution.plan)
        facts, saved = saved_run(self.store.read, codec, last)
        if "is_begun" in facts:
            return execution
        parts, nodes = dict(saved), facts["graph"]["nodes"]
        for old in list(nodes):
            name = changes.name(old)
            if name in execution.plan.dag.sinks:
                nodes[old] = graph["nodes"][name]
                state: dict[str, Any] = codec.decode(parts[old], where=old)
                parts[old] = codec.encode({**state, "writer": None}, where=old)
        resume(execution, facts, parts, graph, codec, changes)
        return execution
