"""Buckets that CloudFormation or an operator makes: moto has their records, a real S3 server their objects."""

import os

from moto.s3.models import S3Backend


def make_in(folder):
    create = S3Backend.create_bucket

    def create_bucket(self, bucket_name, *arguments, **options):
        bucket = create(self, bucket_name, *arguments, **options)
        os.makedirs(os.path.join(folder, bucket_name), exist_ok=True)
        return bucket

    S3Backend.create_bucket = create_bucket
