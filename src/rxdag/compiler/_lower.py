"""Lower: a plan becomes hosts, ports, gates and pumps of one run."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from rxdag.compiler._batch_host import BatchHost
from rxdag.compiler._columns_host import ColumnsHost
from rxdag.compiler._foreign import ForeignHost
from rxdag.compiler._gates import GatePlan, queue_of
from rxdag.compiler._host import Host, Outlet, RunContext, Wire
from rxdag.compiler._inner_host import InnerHost
from rxdag.compiler._inputs_host import InputsHost
from rxdag.compiler._kernel_host import KernelHost
from rxdag.compiler._ledger import LEAVINGS
from rxdag.compiler._limit import limit
from rxdag.compiler._loop_host import LoopHost
from rxdag.compiler._plan import PARKED, Plan, shapes_of
from rxdag.compiler._program import Program
from rxdag.compiler._region_host import RegionHost
from rxdag.compiler._region_plan import RegionPlan
from rxdag.compiler._sink_host import SinkHost
from rxdag.compiler._source_host import SourceHost
from rxdag.compiler._step_hosts import ReleaseHost, StepHost
from rxdag.compiler._topology import make_kernel
from rxdag.compiler._weave import Woven
from rxdag.contract import Foreign, InnerKernel, Kernel, Overflow, Sink, Source, size_of
from rxdag.graph import Edge, Node
from rxdag.schedulers import DemandGate, DroppingGate, FlowScheduler, Gate, Port, Pump, Segment, SizedGate


def lower(plan: Plan, context: RunContext, schedulers: dict[str, FlowScheduler]) -> Program:
    """Make what a run consists of; nothing moves yet."""
    program = Program(plan, schedulers)
    for number, names in plan.members.items():
        program.segments[number] = Segment(f"segment {number}", schedulers[plan.domains[names[0]]])
    host_of = _make_hosts(plan, context, program)
    for edge in plan.topology.edges:
        if host_of[edge.producer] is not host_of[edge.consumer]:
            _connect(plan, program, edge, host_of)
    limit(plan, program, host_of)
    return program


def _make_hosts(plan: Plan, context: RunContext, program: Program) -> dict[str, Host]:
    host_of: dict[str, Host] = {}
    region_of: dict[str, Woven | RegionPlan] = {name: woven for woven in plan.regions for name in woven.plan.nodes}
    region_of |= {name: region for region in plan.columns_regions for name in region.nodes}
    for name, node in plan.dag.nodes.items():
        if name in host_of:
            continue
        segment = program.segments[plan.segments[name]]
        region = region_of.get(name)
        if region is not None:
            host: Host = _make_region(plan, context, region, segment)
        else:
            host = _make_host(plan, context, name, node, segment)
            _add_outlets(plan, host, name, node)
        host.rank = len(program.hosts)
        host.is_caught = name in plan.caught
        for each in host.names if isinstance(host, RegionHost) else (name,):
            host_of[each] = host
        program.hosts.append(host)
    return host_of


def _make_region(plan: Plan, context: RunContext, made: Woven | RegionPlan, segment: Segment) -> RegionHost:
    region = made.plan if isinstance(made, Woven) else made
    nodes = {name: plan.dag.nodes[name] for name in region.nodes}
    makes: dict[str, Callable[[], Kernel]] = {n: partial(_kernel, plan, n) for n in nodes}
    policies = {name: node.on_error for name, node in nodes.items()}
    if isinstance(made, Woven):
        host: RegionHost = LoopHost(made, makes, segment, context, policies)
    else:
        item_type = nodes[region.nodes[0]].in_shape.item_type
        shapes = shapes_of(plan.topology, region)
        parked = PARKED if region.parks else 0
        host = ColumnsHost(region, makes, segment, context, policies, shapes, item_type, parked=parked)
    itemwise = any(name in plan.forks for name in nodes)
    for name, node in nodes.items():
        for port in node.ports:
            shape = node.port_shape(port)
            if (name, port) in region.exits:
                outlet = Outlet(
                    port, Port(segment.handover, host.unused), timed=shape.timed, keyed=shape.keyed, itemwise=itemwise
                )
                host.add_exit(name, port, outlet)
            elif (name, port) in region.after:
                host.add_inner(name, port, timed=shape.timed, keyed=shape.keyed)
            elif port == node.ports[0]:
                host.add_unread(name, port)
    return host


def _kernel(plan: Plan, name: str) -> Kernel:
    kernel = make_kernel(name, plan.topology.operators[name])
    if name in plan.lanes.kernels:
        in_columns = kernel.in_columns()
        if isinstance(in_columns, str):
            raise TypeError(f'node "{name}": in_columns() must give a kernel again, got "{in_columns}"')
        kernel = in_columns
    if name in plan.grids:
        kernel.mark_grid = plan.grids[name]  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  # kernels that make time have it
    if name in plan.before:
        kernel.gives_before = True  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  # those that can have it
    return kernel


def _make_host(plan: Plan, context: RunContext, name: str, node: Node, segment: Segment) -> Host:
    thing = node.thing
    if isinstance(thing, Source):
        itemwise = not plan.is_fused or name in plan.forks
        columns = any(edge.consumer in plan.lanes.columns for edge in plan.topology.out_of[name])
        return SourceHost(
            name,
            segment,
            context,
            node.on_error,
            thing,
            itemwise=itemwise,
            wants_columns=columns and not itemwise,
            boundary=queue_of(plan.topology, name),
        )
    if isinstance(thing, Sink):
        kind_of_sink = SinkHost if thing.batching is None else BatchHost
        return kind_of_sink(name, segment, context, node.on_error, thing, node.in_shape)
    if isinstance(thing, Foreign):
        return ForeignHost(name, segment, context, thing.build)
    clock = thing.clock_for(node.in_shape)
    kernel = plan.topology.kernels[name]
    kind: type[KernelHost] = KernelHost
    if isinstance(kernel, InnerKernel):
        kind = InnerHost
    elif kernel.takes_inputs:
        kind = InputsHost
    elif kernel.releases:
        kind = ReleaseHost
    elif type(kernel).expand is not Kernel.expand or node.on_error.kind == "retry":
        kind = StepHost
    return kind(name, segment, context, node.on_error, partial(_kernel, plan, name), clock)


def _add_outlets(plan: Plan, host: Host, name: str, node: Node) -> None:
    handover = host.segment.handover
    itemwise = not plan.is_fused or name in plan.forks
    read = {edge.port for edge in plan.topology.out_of[name]}
    for port in node.ports:
        if port in LEAVINGS and port not in read:
            continue
        shape = node.port_shape(port)
        # Sources fill whole chunks and take them apart when they hand over.
        by_item = itemwise and not isinstance(host, SourceHost)
        host.outlets[port] = Outlet(
            port, Port(handover, host.unused), timed=shape.timed, keyed=shape.keyed, itemwise=by_item
        )


def _connect(plan: Plan, program: Program, edge: Edge, host_of: dict[str, Host]) -> None:
    producer, consumer = host_of[edge.producer], host_of[edge.consumer]
    outlet = (
        producer.exits[edge.producer, edge.port] if isinstance(producer, RegionHost) else producer.outlets[edge.port]
    )
    wire = Wire(str(edge), consumer, edge.input)
    wire.takes_columns = edge.consumer in plan.lanes.columns
    consumer.add_wire(wire)
    program.ends[edge] = (outlet, wire)
    gate_plan = plan.gates.get(edge)
    if gate_plan is None:
        wire.outlet = outlet
        outlet.port.attach(wire)
        return
    gate = _make_gate(gate_plan, wire)
    if isinstance(gate, DemandGate) and isinstance(consumer, SinkHost):
        consumer.gates.append(gate)
    if isinstance(consumer, KernelHost) and len(plan.topology.into[edge.consumer]) > 1:
        consumer.input_gates[edge.input] = gate
    outlet.port.attach(gate)
    handover = consumer.segment.handover
    # An async sink takes a chunk as one write.
    by_item = not plan.is_fused and not isinstance(consumer, SinkHost)

    def push(chunk: Any) -> None:
        if by_item:
            handover.fresh.extend((wire.on_next, each) for each in chunk.singles())
        else:
            handover.fresh.append((wire.on_next, chunk))

    def end(error: Exception | None) -> None:
        handover.fresh.append((wire.end, error))
        if error is not None and error is gate.failure and not consumer.is_caught:
            consumer.context.fail(error)  # no node has failed: the gate itself has

    # Nodes that refuse an input may count on it that not even its end comes.
    free = {"needs_no_room": gate.needs_no_room} if isinstance(consumer, SinkHost) else {}
    pump = Pump(str(edge), edge.consumer, consumer.segment, gate.take, push, end, has_items=gate.has_items, **free)
    gate.reader, gate.ticks = pump, consumer.segment.scheduler.ticks
    program.gates[edge] = gate

    def leave() -> None:
        pump.stop()
        gate.abandon()
        producer.segment.scheduler.call(lambda: _detach(producer, outlet, gate, wire))

    wire.on_detach.append(leave)
    if isinstance(gate, DroppingGate | SizedGate):
        gate.on_overflow = lambda: producer.segment.scheduler.call(lambda: _detach(producer, outlet, gate, wire))


def _make_gate(plan: GatePlan, wire: Wire) -> Gate:
    if plan.is_by_demand:
        return DemandGate(str(plan.edge), plan.max_items, wire.want)
    if plan.max_bytes is not None:
        measure = (plan.edge.boundary.size_of if plan.edge.boundary else None) or size_of
        return SizedGate(
            str(plan.edge), plan.max_items, plan.max_bytes, measure, plan.overflow, delay_error=plan.delay_error
        )
    if plan.overflow is Overflow.BLOCK:
        return Gate(str(plan.edge), plan.max_items)
    return DroppingGate(str(plan.edge), plan.max_items, plan.overflow, delay_error=plan.delay_error)


def _detach(producer: Host, outlet: Outlet, gate: Gate, wire: Wire) -> None:
    if wire.outlet is not None:  # it has left already
        return
    wire.left(outlet)
    outlet.port.detach(gate)
    producer.segment.run()
