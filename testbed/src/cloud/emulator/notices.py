"""EventBridge rules whose target is a topic of SNS: moto has other kinds of targets only. And a topic goes on when one of its queues is gone."""

import json
from datetime import datetime, timezone

from moto.events.models import Rule
from moto.sns import sns_backends
from moto.sns.models import Subscription
from moto.sqs.exceptions import QueueDoesNotExist

_moto_send = Rule.send_to_targets
_moto_publish = Subscription.publish


def send_to_targets(self, original_event, transform_input=True):
    targets = self.targets
    topics = [target["Arn"] for target in targets if ":sns:" in target["Arn"]]
    if topics and self.event_pattern.matches_event(original_event):
        at = datetime.fromtimestamp(original_event["time"], timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        for topic in topics:
            backend = sns_backends[self.account_id][self.region_name]
            backend.publish(json.dumps({**original_event, "time": at}), arn=topic)
    self.targets = [target for target in targets if target["Arn"] not in topics]
    try:
        _moto_send(self, original_event, transform_input)
    finally:
        self.targets = targets


def publish(self, *arguments, **options):
    try:
        _moto_publish(self, *arguments, **options)
    except QueueDoesNotExist:
        pass  # SNS drops the message and keeps the subscription


Rule.send_to_targets = send_to_targets
Subscription.publish = publish
