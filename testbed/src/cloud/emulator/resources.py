"""What moto's CloudFormation does not deploy, and templates of fleets have."""

import json
import uuid

from moto.cloudwatch import models as cloudwatch
from moto.core.common_models import CloudFormationModel
from moto.secretsmanager import models as secretsmanager

PASSWORD = {
    "password_length": 32,
    "exclude_characters": "",
    "exclude_numbers": False,
    "exclude_punctuation": False,
    "exclude_uppercase": False,
    "exclude_lowercase": False,
    "include_space": False,
    "require_each_included_type": True,
}
PASSWORD_NAMES = {
    "PasswordLength": "password_length",
    "ExcludeCharacters": "exclude_characters",
    "ExcludePunctuation": "exclude_punctuation",
}


class Secret(CloudFormationModel):
    __module__ = secretsmanager.__name__  # moto reads the service from it

    def __init__(self, arn):
        self.arn = arn

    @property
    def physical_resource_id(self):
        return self.arn

    @staticmethod
    def cloudformation_name_type():
        return "Name"

    @staticmethod
    def cloudformation_type():
        return "AWS::SecretsManager::Secret"

    @classmethod
    def create_from_cloudformation_json(cls, resource_name, cloudformation_json, account_id, region_name, **_):
        backend = secretsmanager.secretsmanager_backends[account_id][region_name]
        properties = cloudformation_json["Properties"]
        asked = {PASSWORD_NAMES[name]: value for name, value in properties.get("GenerateSecretString", {}).items()}
        text = properties.get("SecretString")
        if text is None:
            text = json.loads(backend.get_random_password(**{**PASSWORD, **asked}))["RandomPassword"]
        name = properties.get("Name", f"{resource_name}-{uuid.uuid4().hex[:12]}")
        made = backend.create_secret(name, text, None, properties.get("Description"), [], None, None, [], False)
        return cls(json.loads(made)["ARN"])

    def delete(self, account_id, region_name):
        secretsmanager.secretsmanager_backends[account_id][region_name].delete_secret(self.arn, None, True)


class Alarm(CloudFormationModel):
    """Only its name: nothing is measured here that it could be about."""

    __module__ = cloudwatch.__name__

    def __init__(self, name, account_id, region_name):
        self.name = name
        self.arn = f"arn:aws:cloudwatch:{region_name}:{account_id}:alarm:{name}"

    @property
    def physical_resource_id(self):
        return self.name

    @staticmethod
    def cloudformation_name_type():
        return "AlarmName"

    @staticmethod
    def cloudformation_type():
        return "AWS::CloudWatch::Alarm"

    @classmethod
    def has_cfn_attr(cls, attr):
        return attr == "Arn"

    def get_cfn_attribute(self, attribute_name):
        return self.arn

    @classmethod
    def create_from_cloudformation_json(cls, resource_name, cloudformation_json, account_id, region_name, **_):
        return cls(cloudformation_json["Properties"].get("AlarmName", resource_name), account_id, region_name)

    def delete(self, account_id, region_name):
        pass
