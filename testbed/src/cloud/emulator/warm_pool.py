"""Warm pools: instances that are launched ahead, prepared behind the launching hooks, and stopped until the group grows.

See "Decrease latency for applications with long boot times using warm pools" of AWS's user guide. Here instances that stand in a pool end without hooks.
"""

import ec2
import groups

from moto.autoscaling.models import FakeAutoScalingGroup
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult


def members(group):
    return [member for member in group.instance_states if member.phase == "Warmed"]


def step(member):
    """One step of a member on its way into the pool; what stands there waits."""
    machine = ec2.state_of(member.instance)
    if machine in ("shutting-down", "terminated"):
        return groups.terminate(member, f"the instance is {machine}", hooks=False)
    if member.lifecycle_state == "Warmed:Pending" and machine == "running":
        hooks = groups.TERMINATING if member.was_in_service else groups.LAUNCHING
        return member.wait_for(hooks, "Warmed:Pending:Wait", "Warmed:Pending:Proceed")
    if member.lifecycle_state == "Warmed:Pending:Wait":
        results = member.results()
        if results and "ABANDON" in results and not member.was_in_service:
            return groups.terminate(member, "a launching hook was abandoned", hooks=False)
        if results:
            return member.enter("Warmed:Pending:Proceed")
    if member.lifecycle_state == "Warmed:Pending:Proceed":
        where = resting_state(member.auto_scaling_group)
        if where == "Warmed:Running" or machine == "stopped":
            member.enter(where)
        elif machine == "running":
            ec2.set_state(member.instance, ec2.STOPPING)


def resting_state(group):
    return f"Warmed:{group.warm_pool.pool_state}" if group.warm_pool else "Warmed:Stopped"


def keep_number(group):
    """As many stand ready as the group may still grow, by what its pool says."""
    pool, there = group.warm_pool, members(group)
    wanted = 0
    if pool is not None:
        most = pool.max_group_prepared_capacity
        most = group.max_size if most in (None, -1) else int(most)
        wanted = max(int(pool.min_size), most - (group.desired_capacity or 0))
    for _ in range(wanted - len(there)):
        groups.launch(group, "Warmed:Pending", resting_state(group))
    for member in there[wanted:]:
        groups.terminate(member, "the warm pool is to be smaller", hooks=False)


def take(group):
    """One that stands ready goes into service. @returns whether there was one"""
    ready = [one for one in members(group) if one.lifecycle_state in ("Warmed:Stopped", "Warmed:Running")]
    if not ready:
        return False
    member = ready[0]
    groups.aim(member, "InService")
    if ec2.state_of(member.instance) == "stopped":
        ec2.set_state(member.instance, ec2.PENDING)
    groups.tell(group, f"Launching a new EC2 instance from warm pool: {member.instance.id}", "the group grows")
    member.enter("Pending")
    return True


def put_back(group, member):
    """One that the group needs no more goes into the pool. @returns whether the pool takes it"""
    policy = group.warm_pool and group.warm_pool.instance_reuse_policy or {}
    if policy.get("ReuseOnScaleIn") not in (True, "true") or member.phase != "InService":
        return False
    member.was_in_service = True
    groups.aim(member, resting_state(group))
    groups.tell(group, f"Returning EC2 instance to warm pool: {member.instance.id}", "the group shrinks")
    member.enter("Warmed:Pending")
    return True


def instances(group):
    """Of a group: those of its pool are not told among them."""
    return [member for member in group.instance_states if member.phase != "Warmed"]


def describe_warm_pool(self):
    group = groups.group_named(groups.backend(), self._get_param("AutoScalingGroupName"))
    return ActionResult({"WarmPoolConfiguration": group.warm_pool, "Instances": members(group)})


FakeAutoScalingGroup.instances = property(instances)
AutoScalingResponse.describe_warm_pool = describe_warm_pool
