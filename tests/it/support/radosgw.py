"""Runs Ceph's S3 server in the current folder: python radosgw.py MONITOR_PORT PORT SECRET_KEY."""

import json
import os
import subprocess
import sys
import time
import uuid

import boto3
from botocore.config import Config

monitor, port, secret = sys.argv[1:]
here, cluster = os.getcwd(), str(uuid.uuid4())
os.environ["CEPH_CONF"] = f"{here}/ceph.conf"
with open("ceph.conf", "w") as file:
    file.write(
        f"""[global]
fsid = {cluster}
mon host = v2:127.0.0.1:{monitor}
auth cluster required = none
auth service required = none
auth client required = none
ms mon client mode = crc
ms bind ipv6 = false
mon allow pool size one = true
mon data avail crit = 0
mon data = {here}/mon
osd data = {here}/osd
osd objectstore = memstore
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
rgw data = {here}/rgw
rgw frontends = beast endpoint=127.0.0.1:{port}
log file = {here}/$name.log
admin socket = {here}/$name.asok
pid file = {here}/$name.pid
run dir = {here}
crash dir = {here}
keyring = {here}/keyring
"""
    )
for folder in ["mon", "osd", "rgw"]:
    os.mkdir(folder)

running = []


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def start(*command):
    log = open(f"{command[0]}.out", "wb")
    running.append(subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL))


def ready(client):
    for _ in range(600):
        try:
            return client.list_buckets()
        except Exception:
            time.sleep(0.1)
    sys.exit("radosgw does not start")


try:
    address = f"[v2:127.0.0.1:{monitor}]"
    run("monmaptool", "--create", "--fsid", cluster, "--addv", "a", address, "monmap")
    run("ceph-mon", "--mkfs", "-i", "a", "--monmap", "monmap")
    start("ceph-mon", "-i", "a", "-f")
    disk = str(uuid.uuid4())
    run("ceph", "osd", "new", disk)
    run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", disk)
    start("ceph-osd", "-i", "0", "-f")
    user = ["--uid", "t", "--display-name", "t", "--access-key", "test", "--secret-key", secret]
    run("radosgw-admin", "user", "create", *user)
    start("radosgw", "-n", "client.admin", "-f")
    s3 = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id="test",
        aws_secret_access_key=secret,
        region_name="us-east-1",
        config=Config(
            s3={"addressing_style": "path"}, request_checksum_calculation="when_required"
        ),
    )
    ready(s3)
    print("ready", flush=True)
    for line in sys.stdin:
        match json.loads(line):
            case ["create", bucket]:
                s3.create_bucket(Bucket=bucket)
            case ["keep-versions", bucket]:
                enabled = {"Status": "Enabled"}
                s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=enabled)
            case ["put", bucket, key, path]:
                with open(path, "rb") as content:
                    s3.put_object(Bucket=bucket, Key=key, Body=content)
        print("done", flush=True)
finally:
    for process in running:
        process.kill()
