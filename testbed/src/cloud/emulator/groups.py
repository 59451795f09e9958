"""The life of auto-scaling groups as AWS tells it: what moto does at once and without machines takes its time here, and hooks are waited for.

moto keeps the records (groups, hooks, tags, templates) and the wire; a controller here moves every member one step at a time, under the region's
lock. See "Amazon EC2 Auto Scaling instance lifecycle" and "How an instance refresh works" of AWS's user guide.
"""

import math
import time
import uuid
from datetime import datetime, timezone

import ec2
import warm_pool
from state import region_state as state

from moto.autoscaling import models
from moto.autoscaling.exceptions import AutoscalingClientError, ValidationError
from moto.autoscaling.models import AutoScalingBackend, FakeAutoScalingGroup, autoscaling_backends
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.common_models import CloudFormationModel
from moto.core.responses import ActionResult, EmptyResult

LAUNCHING = "autoscaling:EC2_INSTANCE_LAUNCHING"
TERMINATING = "autoscaling:EC2_INSTANCE_TERMINATING"
# s between two looks at all groups, when nothing tells of a change
LOOKS_EACH = 0.2
# a hook waits for 48 hours at most, or 100 times its heartbeat, whichever is less
WAITS_AT_MOST = 48 * 3600
ACTIVITIES_KEPT = 200


class Action:
    """A hook that an instance waits for."""

    def __init__(self, hook):
        self.hook = hook.name
        self.token = str(uuid.uuid4())
        self.heartbeat_timeout = hook.heartbeat_timeout
        self.default_result = hook.default_result
        self.until_at_most = time.monotonic() + min(WAITS_AT_MOST, 100 * hook.heartbeat_timeout)
        self.result = None
        self.heartbeat()

    def heartbeat(self):
        self.until = min(time.monotonic() + self.heartbeat_timeout, self.until_at_most)

    def settle(self):
        """@returns its result, by itself when nobody told one in time; None: it waits"""
        if self.result is None and time.monotonic() > self.until:
            self.result = self.default_result
        return self.result


class Member(models.InstanceState):
    """An instance of a group."""

    def __init__(self, instance, **options):
        super().__init__(instance, **options)
        self.actions = []
        self.in_service_since = None
        self.was_in_service = False
        template = self.auto_scaling_group.ec2_launch_template
        self.version = template and template.get_version(self.auto_scaling_group.launch_template_version).number
        aim(self, "InService")

    @property
    def launch_template(self):
        template = self.auto_scaling_group.ec2_launch_template
        if template is None:
            return None
        return {"LaunchTemplateId": template.id, "LaunchTemplateName": template.name, "Version": str(self.version)}

    @property
    def image_id(self):
        return self.instance.image_id

    @property
    def phase(self):
        """Pending, InService, Terminating, Standby or Warmed."""
        return self.lifecycle_state.split(":")[0]

    @property
    def is_outdated(self):
        template = self.auto_scaling_group.ec2_launch_template
        if template is None:
            return False
        return self.version != template.get_version(self.auto_scaling_group.launch_template_version).number

    @property
    def is_at_risk(self):
        """It goes on until another serves in its place."""
        group = self.auto_scaling_group
        recommended = group.capacity_rebalance and state.of(self.instance.id).rebalance is not None
        return recommended or (launches_first(group) and is_unhealthy(group, self))

    def enter(self, lifecycle_state):
        self.lifecycle_state = lifecycle_state
        if lifecycle_state == "InService":
            self.in_service_since = time.monotonic()
        state.bump()

    def wait_for(self, transition, wait, proceed):
        """Into the wait state when there are hooks of this transition; else on at once."""
        hooks = self.auto_scaling_group.autoscaling_backend.describe_lifecycle_hooks(self.auto_scaling_group.name)
        self.actions = [Action(hook) for hook in hooks if hook.lifecycle_transition == transition]
        self.enter(wait if self.actions else proceed)

    def results(self):
        """@returns the results of all hooks; None while one is waited for. An ABANDON ends the waiting."""
        results = [action.settle() for action in self.actions]
        return results if "ABANDON" in results or None not in results else None


# ── the controller ────────────────────────────────────────────────────────────────────────────────


def keep(state):
    while True:
        with state.changed:
            for group in list(backend().autoscaling_groups.values()):
                look_after(group)
            ec2.forget_terminated()
            state.changed.wait(LOOKS_EACH)


def backend():
    return autoscaling_backends[state.account][state.name]


def look_after(group):
    for member in list(group.instance_states):
        step(group, member)
    if getattr(group, "deleting", False):
        for member in [*living(group), *warm_pool.members(group)]:
            terminate(member, "the group is deleted", hooks=False)
        if not group.instance_states:
            backend().autoscaling_groups.pop(group.name, None)
        return
    replace_those_at_risk(group)
    go_on_refreshing(group)
    rebalance_zones(group)
    keep_number(group)
    warm_pool.keep_number(group)


def launches_first(group):
    """Whether its maintenance policy says so: "launch before terminating"."""
    policy = getattr(group, "maintenance", {})
    return int(policy.get("MinHealthyPercentage", 0)) >= 100


def suspended(group, process):
    return any(one["ProcessName"] == process for one in group.suspended_processes)


def living(group):
    return [member for member in group.instance_states if member.phase in ("Pending", "InService")]


def in_service(group):
    return [member for member in group.instance_states if member.phase == "InService"]


def step(group, member):
    """One step in the life of a member."""
    if member.phase == "Warmed":
        return warm_pool.step(member)
    machine = ec2.state_of(member.instance)
    gone = machine not in ("pending", "running")
    if member.phase in ("Pending", "InService", "Standby"):
        if gone:
            return terminate(member, f"the instance is {machine}", hooks=False)
        if is_unhealthy(group, member) and not launches_first(group):
            return terminate(member, "an instance was found unhealthy")
    if member.lifecycle_state == "Pending" and machine == "running":
        return member.wait_for(LAUNCHING, "Pending:Wait", "InService")
    if member.lifecycle_state == "Pending:Wait":
        results = member.results()
        if results:
            if "ABANDON" in results:
                return terminate(member, "a launching hook was abandoned")
            return member.enter("InService")
    if member.lifecycle_state == "Terminating:Wait" and (gone or member.results()):
        member.enter("Terminating:Proceed")
    if member.lifecycle_state in ("Terminating:Proceed", "Terminating"):
        if machine == "terminated":
            group.instance_states.remove(member)
            state.bump()
        elif not gone:
            member.instance.terminate()


def is_unhealthy(group, member):
    if suspended(group, "ReplaceUnhealthy") or member.phase != "InService":
        return False
    since = state.of(member.instance.id).impaired_since
    if since is not None and not suspended(group, "HealthCheck") and time.monotonic() - since > state.health_check_delay:
        member.health_status = "Unhealthy"
    return member.health_status.upper() == "UNHEALTHY"


def terminate(member, cause, hooks=True):
    if member.phase == "Terminating":
        return
    group = member.auto_scaling_group
    aim(member, "Warmed:Terminated" if member.phase == "Warmed" else "Terminated")
    tell(group, f"Terminating EC2 instance: {member.instance.id}", cause)
    if hooks:
        member.wait_for(TERMINATING, "Terminating:Wait", "Terminating")
    else:
        member.actions = []
        member.enter("Terminating")


def aim(member, target):
    """What its instance hears of itself by IMDS."""
    state.of(member.instance.id).target_state = target


def keep_number(group):
    """As many as are wanted live."""
    extra = refresh_surplus(group) + (1 if getattr(group, "rebalancing", False) else 0)
    counted = [member for member in living(group) if not member.is_at_risk]
    lacking = (group.desired_capacity or 0) + extra - len(counted)
    if lacking > 0 and not suspended(group, "Launch"):
        for _ in range(lacking):
            if not warm_pool.take(group):
                launch(group)
    if lacking < 0 and not suspended(group, "Terminate"):
        for _ in range(-lacking):
            surplus = one_to_end(group)
            if not surplus:
                break
            if not warm_pool.put_back(group, surplus):
                terminate(surplus, f"the capacity is to be {group.desired_capacity}")


def launch(group, lifecycle_state="Pending", target="InService"):
    """One more, in the zone that has the fewest."""
    places = places_of(group)
    if not places:
        return tell(group, "Launching a new EC2 instance", "no zone has capacity", "Failed")
    zone, subnet = min(places, key=lambda place: count_in(group, place[0]))
    template = group.ec2_launch_template
    version = template.get_version(group.launch_template_version) if template else None
    specification = {"LaunchTemplateId": template.id, "Version": str(version.number)} if template else None
    tags = {**group.get_propagated_tags(), **group.instance_tags, models.ASG_NAME_TAG: group.name}
    reservation = group.ec2_backend.run_instances(
        group.image_id,
        1,
        group.user_data,
        group.security_groups,
        instance_type=group.instance_type or "t4g.small",
        tags={"instance": tags},
        placement=zone,
        launch_config=group.launch_config,
        launch_template=specification,
        is_instance_type_default=False,
        associate_public_ip=False,
        subnet_id=subnet,
        region_name=group.region,
        instance_market_options=version and version.data.get("InstanceMarketOptions"),
    )
    [instance] = reservation.instances
    instance.autoscaling_group = group
    protected = group.new_instances_protected_from_scale_in
    member = Member(instance, lifecycle_state=lifecycle_state, protected_from_scale_in=protected)
    aim(member, target)
    group.instance_states.append(member)
    tell(group, f"Launching a new EC2 instance: {instance.id}", f"the capacity is to be {group.desired_capacity}")


def places_of(group):
    """(zone, subnet or None) where something can be launched."""
    if group.vpc_zone_identifier:
        subnets = group.ec2_backend.describe_subnets(subnet_ids=group.vpc_zone_identifier.split(","))
        places = sorted((subnet.availability_zone, subnet.id) for subnet in subnets)
    else:
        places = [(zone, None) for zone in sorted(group.availability_zones)]
    return [place for place in places if place[0] not in state.impaired_zones]


def count_in(group, zone):
    return sum(1 for member in living(group) if member.availability_zone == zone)


def one_to_end(group):
    """The default policy: of the zone that has most, one of the oldest template, and of those the oldest."""
    candidates = [member for member in living(group) if not member.protected_from_scale_in]
    if not candidates:
        return None
    most = max(count_in(group, member.availability_zone) for member in candidates)
    there = [member for member in candidates if count_in(group, member.availability_zone) == most]
    return min(there, key=lambda member: (member.version or 0, state.of(member.instance.id).launched))


def replace_those_at_risk(group):
    """Those that EC2 will want back, and the unhealthy where a successor comes first, are ended once others serve in their place."""
    safe = [member for member in in_service(group) if not member.is_at_risk]
    if len(safe) >= (group.desired_capacity or 0):
        for member in living(group):
            if member.is_at_risk:
                terminate(member, "another serves in its place")


def rebalance_zones(group):
    """Where one zone has two more than another, one is launched in the other before one is ended."""
    members = living(group)
    if getattr(group, "rebalancing", False):
        if len(in_service(group)) == len(members) > (group.desired_capacity or 0):
            group.rebalancing = False
        return
    if suspended(group, "AZRebalance") or is_refreshing(group):
        return
    counts = [count_in(group, zone) for zone, _ in places_of(group)]
    at_rest = len(members) == group.desired_capacity and len(in_service(group)) == len(members)
    if at_rest and counts and max(counts) - min(counts) > 1:
        group.rebalancing = True


def tell(group, description, cause, status="Successful"):
    now = datetime.now(timezone.utc)
    activity = {
        "ActivityId": str(uuid.uuid4()),
        "AutoScalingGroupName": group.name,
        "Description": description,
        "Cause": cause,
        "StartTime": now,
        "EndTime": now,
        "StatusCode": status,
        "Progress": 100,
    }
    group.activities = [activity, *getattr(group, "activities", [])][:ACTIVITIES_KEPT]
    return activity


# ── instance refresh ──────────────────────────────────────────────────────────────────────────────


class Refresh:
    def __init__(self, group, preferences):
        self.id = str(uuid.uuid4())
        self.group = group
        self.preferences = preferences
        self.status = "Pending"
        self.started = datetime.now(timezone.utc)
        self.ended = None
        only_outdated = preferences.get("SkipMatching") in (True, "true")
        self.old = {one.instance.id for one in group.instance_states if one.is_outdated or not only_outdated}
        self.total = len(self.old)

    @property
    def is_over(self):
        return self.status in ("Successful", "Failed", "Cancelled")

    def end(self, status):
        self.status = status
        self.ended = datetime.now(timezone.utc)

    def number(self, name, default):
        """A preference: what was asked for, what the group's maintenance policy says, or AWS's default."""
        policy = getattr(self.group, "maintenance", {})
        return int(self.preferences.get(name, policy.get(name, default)))

    @property
    def to_update(self):
        ignored = self.preferences.get("ScaleInProtectedInstances") == "Ignore"
        old = [member for member in living(self.group) if member.instance.id in self.old]
        return [member for member in old if not (ignored and member.protected_from_scale_in)]

    def describe(self):
        left = 0 if self.status == "Successful" else len(self.to_update)
        return {
            "InstanceRefreshId": self.id,
            "AutoScalingGroupName": self.group.name,
            "Status": self.status,
            "StartTime": self.started,
            "EndTime": self.ended,
            "PercentageComplete": 100 if self.total == 0 else 100 * (self.total - left) // self.total,
            "InstancesToUpdate": left,
            "Preferences": self.preferences,
            "Strategy": "Rolling",
        }


def refreshes(group):
    if not hasattr(group, "refreshes"):
        group.refreshes = []
    return group.refreshes


def is_refreshing(group):
    return any(not refresh.is_over for refresh in refreshes(group))


def refresh_surplus(group):
    """How many more than wanted a refresh may run, while it has something to replace."""
    for refresh in refreshes(group):
        if not refresh.is_over and refresh.status != "Cancelling" and refresh.to_update:
            at_most = group.desired_capacity * refresh.number("MaxHealthyPercentage", 100) / 100
            more = max(math.floor(at_most) - group.desired_capacity, 1 if at_most > group.desired_capacity else 0)
            return min(more, len(refresh.to_update))
    return 0


def go_on_refreshing(group):
    for refresh in refreshes(group):
        if refresh.is_over:
            continue
        if refresh.status == "Cancelling":
            refresh.end("Cancelled")
            continue
        refresh.status = "InProgress"
        warmup = refresh.number("InstanceWarmup", 0)
        healthy = [one for one in in_service(group) if time.monotonic() - one.in_service_since >= warmup]
        if not refresh.to_update and len(healthy) >= group.desired_capacity:
            refresh.end("Successful")
            continue
        end_some(group, refresh, healthy)


def end_some(group, refresh, healthy):
    """As many old ones end as may, so that the least that is wanted healthy stays; where that is none, one at a time."""
    protected_too = refresh.preferences.get("ScaleInProtectedInstances") == "Refresh"
    least = math.ceil(group.desired_capacity * refresh.number("MinHealthyPercentage", 90) / 100)
    may = len(healthy) - least
    if may <= 0 and refresh_surplus(group) == 0 and len(healthy) >= group.desired_capacity:
        may = 1
    for member in refresh.to_update:
        if may <= 0:
            return
        if member.protected_from_scale_in and not protected_too:
            continue
        if member in healthy:
            may -= 1
        terminate(member, "an instance refresh")


# ── what moto does otherwise ──────────────────────────────────────────────────────────────────────


def set_desired_capacity(self, new_capacity):
    """The controller does it."""
    self.desired_capacity = int(self.min_size if new_capacity is None else new_capacity)
    state.bump()


_moto_set_desired = AutoScalingBackend.set_desired_capacity


def set_desired_capacity_of(self, group_name, desired_capacity):
    group = group_named(self, group_name)
    if not group.min_size <= desired_capacity <= group.max_size:
        raise ValidationError(
            f"New SetDesiredCapacity value {desired_capacity} is outside of the limits {group.min_size} to {group.max_size} "
            "for the AutoScalingGroup."
        )
    _moto_set_desired(self, group_name, desired_capacity)


def group_named(self, name):
    group = self.autoscaling_groups.get(name)
    if group is None:
        raise ValidationError(f"AutoScalingGroup name not found - AutoScalingGroup '{name}' not found")
    return group


def delete_auto_scaling_group(self, group_name):
    group_named(self, group_name).deleting = True
    state.bump()


def terminate_instance(self, instance_id, should_decrement):
    member = member_named(instance_id)
    group = member.auto_scaling_group
    if should_decrement:
        if group.desired_capacity <= group.min_size:
            raise ValidationError(
                f"Currently, desiredSize equals minSize ({group.min_size}). Terminating instance without replacement "
                "will violate group's min size constraint. Either set shouldDecrementDesiredCapacity flag to false or "
                "lower group's min size."
            )
        group.desired_capacity -= 1
    terminate(member, "a user request")
    return {**group.activities[0], "StatusCode": "InProgress"}


def member_named(instance_id):
    for group in backend().autoscaling_groups.values():
        for member in group.instance_states:
            if member.instance.id == instance_id:
                return member
    raise ValidationError(f"Instance Id not found - No managed instance found for instance ID: {instance_id}")


def notify_terminate_instances(self, instance_ids):
    """The controller sees that they end."""


def update_in_place(cls, original_resource, new_resource_name, cloudformation_json, account_id, region_name):
    properties = cloudformation_json["Properties"]
    original_resource.autoscaling_backend.update_auto_scaling_group(
        name=original_resource.name,
        availability_zones=properties.get("AvailabilityZones", []),
        desired_capacity=models.make_int(properties.get("DesiredCapacity")),
        max_size=models.make_int(properties.get("MaxSize")),
        min_size=models.make_int(properties.get("MinSize")),
        launch_config_name=properties.get("LaunchConfigurationName"),
        launch_template=properties.get("LaunchTemplate", {}),
        vpc_zone_identifier=",".join(properties.get("VPCZoneIdentifier", [])) or None,
        health_check_period=models.make_int(properties.get("HealthCheckGracePeriod")),
        health_check_type=properties.get("HealthCheckType"),
    )
    return original_resource


_moto_create = FakeAutoScalingGroup.create_from_cloudformation_json.__func__


def create_with_hooks(cls, resource_name, cloudformation_json, account_id, region_name, **options):
    group = _moto_create(cls, resource_name, cloudformation_json, account_id, region_name, **options)
    properties = cloudformation_json["Properties"]
    group.capacity_rebalance = properties.get("CapacityRebalance") in (True, "true")
    group.maintenance = properties.get("InstanceMaintenancePolicy", {})
    put_hooks(group.name, properties.get("LifecycleHookSpecificationList", []))
    return group


def put_hooks(group_name, specifications):
    for one in specifications:
        backend().create_lifecycle_hook(
            one["LifecycleHookName"],
            group_name,
            one["LifecycleTransition"],
            models.make_int(one.get("HeartbeatTimeout")),
            one.get("DefaultResult"),
        )


class HookResource(CloudFormationModel):
    """AWS::AutoScaling::LifecycleHook, which moto does not deploy."""

    __module__ = models.__name__  # moto reads the service from it

    def __init__(self, group_name, name):
        self.group_name = group_name
        self.name = name

    @property
    def physical_resource_id(self):
        return self.name

    @staticmethod
    def cloudformation_name_type():
        return "LifecycleHookName"

    @staticmethod
    def cloudformation_type():
        return "AWS::AutoScaling::LifecycleHook"

    @classmethod
    def create_from_cloudformation_json(cls, resource_name, cloudformation_json, account_id, region_name, **_):
        properties = cloudformation_json["Properties"]
        name = properties.get("LifecycleHookName", resource_name)
        put_hooks(properties["AutoScalingGroupName"], [{**properties, "LifecycleHookName": name}])
        return cls(properties["AutoScalingGroupName"], name)

    @classmethod
    def update_from_cloudformation_json(cls, original_resource, new_resource_name, cloudformation_json, account_id, region_name):
        return cls.create_from_cloudformation_json(original_resource.name, cloudformation_json, account_id, region_name)

    @classmethod
    def delete_from_cloudformation_json(cls, resource_name, cloudformation_json, account_id, region_name):
        backend().delete_lifecycle_hook(cloudformation_json["Properties"]["AutoScalingGroupName"], resource_name)

    def delete(self, account_id, region_name):
        backend().delete_lifecycle_hook(self.group_name, self.name)


# ── what moto does not answer ─────────────────────────────────────────────────────────────────────


def waited_for(request):
    """The actions that a caller means, by the hook and by token or instance."""
    name, hook = request._get_param("AutoScalingGroupName"), request._get_param("LifecycleHookName")
    token, instance = request._get_param("LifecycleActionToken"), request._get_param("InstanceId")
    found = [
        action
        for member in group_named(backend(), name).instance_states
        if member.lifecycle_state.endswith(":Wait")
        for action in member.actions
        if action.hook == hook and action.result is None
        if (token and action.token == token) or (instance and member.instance.id == instance)
    ]
    if not found:
        what = f"token {token}" if token else f"instance ID {instance}"
        raise ValidationError(f"No active Lifecycle Action found with {what}")
    return found


def complete_lifecycle_action(self):
    for action in waited_for(self):
        action.result = self._get_param("LifecycleActionResult")
    state.bump()
    return ActionResult({})


def record_lifecycle_action_heartbeat(self):
    for action in waited_for(self):
        action.heartbeat()
    return ActionResult({})


class RefreshInProgress(AutoscalingClientError):
    code = "InstanceRefreshInProgress"
    message = "An Instance Refresh is already in progress and blocks the execution of this Instance Refresh."


class NoActiveRefresh(AutoscalingClientError):
    code = "ActiveInstanceRefreshNotFound"
    message = "No in progress or pending Instance Refresh found for Auto Scaling group"


def start_instance_refresh(self):
    group = group_named(backend(), self._get_param("AutoScalingGroupName"))
    if is_refreshing(group):
        raise RefreshInProgress()
    wanted = self._get_param("DesiredConfiguration", {})
    if wanted.get("LaunchTemplate"):
        group._set_launch_configuration(None, wanted["LaunchTemplate"], None)
    refresh = Refresh(group, self._get_param("Preferences", {}))
    refreshes(group).insert(0, refresh)
    state.bump()
    return ActionResult({"InstanceRefreshId": refresh.id})


def describe_instance_refreshes(self):
    group = group_named(backend(), self._get_param("AutoScalingGroupName"))
    ids = self._get_param("InstanceRefreshIds", [])
    found = [refresh.describe() for refresh in refreshes(group) if not ids or refresh.id in ids]
    return ActionResult({"InstanceRefreshes": found})


def cancel_instance_refresh(self):
    group = group_named(backend(), self._get_param("AutoScalingGroupName"))
    for refresh in refreshes(group):
        if not refresh.is_over:
            refresh.status = "Cancelling"
            state.bump()
            return ActionResult({"InstanceRefreshId": refresh.id})
    raise NoActiveRefresh()


def describe_scaling_activities(self):
    name = self._get_param("AutoScalingGroupName")
    groups = [group_named(backend(), name)] if name else backend().autoscaling_groups.values()
    return ActionResult({"Activities": [one for group in groups for one in getattr(group, "activities", [])]})


_moto_create_group = AutoScalingResponse.create_auto_scaling_group


def create_auto_scaling_group(self):
    _moto_create_group(self)
    group = group_named(backend(), self._get_param("AutoScalingGroupName"))
    group.maintenance = self._get_param("InstanceMaintenancePolicy", {})
    put_hooks(group.name, self._get_param("LifecycleHookSpecificationList", []))
    return EmptyResult()


models.InstanceState = Member
FakeAutoScalingGroup.set_desired_capacity = set_desired_capacity
FakeAutoScalingGroup.update_from_cloudformation_json = classmethod(update_in_place)
FakeAutoScalingGroup.create_from_cloudformation_json = classmethod(create_with_hooks)
for function in (delete_auto_scaling_group, terminate_instance, notify_terminate_instances):
    setattr(AutoScalingBackend, function.__name__, function)
AutoScalingBackend.set_desired_capacity = set_desired_capacity_of
for function in (
    complete_lifecycle_action,
    record_lifecycle_action_heartbeat,
    start_instance_refresh,
    describe_instance_refreshes,
    cancel_instance_refresh,
    describe_scaling_activities,
    create_auto_scaling_group,
):
    setattr(AutoScalingResponse, function.__name__, function)
