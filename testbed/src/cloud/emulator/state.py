"""What this region knows beside moto's own records."""

import threading
import time


class RegionState:
    def __init__(self):
        self.name = ""
        self.account = "123456789012"  # moto's own
        # what a role's credentials are: those that the S3 server knows
        self.credentials = ("", "")
        # every API call and every change holds it: moto itself locks nothing
        self.lock = threading.RLock()
        # told of every change that a machine or a group may have to follow
        self.changed = threading.Condition(self.lock)
        self.version = 0
        # instance id -> Facts
        self.facts = {}
        self.faults = []
        # (service, action, from) -> how often
        self.calls = {}
        # zones in which nothing can be launched
        self.impaired_zones = set()
        # s after which EC2 knows a terminated instance no more: about an hour, says AWS
        self.remembers_terminated = 3600.0
        # s between a failed status check and the group's taking it for unhealthy
        self.health_check_delay = 1.0

    def bump(self):
        with self.lock:
            self.version += 1
            self.changed.notify_all()

    def of(self, instance_id):
        """Facts of an instance; none yet: new ones."""
        return self.facts.setdefault(instance_id, Facts())


class Facts:
    """Of one instance, what moto has no place for."""

    def __init__(self):
        self.launched = time.monotonic()
        # by the group's controller, for IMDS; None: in no group
        self.target_state = None
        self.spot_action = None  # {"action": …, "time": …}
        self.rebalance = None  # {"noticeTime": …}
        # when its status check began to fail
        self.impaired_since = None
        self.terminated_at = None
        # launch template data it was started with
        self.template = {}


region_state = RegionState()
