"""An emulated region: moto, and what moto lacks to be a cloud whose instances are real.

Run by region.ts, which makes a machine of each EC2 instance that there is here. Ends when its standard input does, so that nothing is left when
whoever started it is gone. Says one line of JSON when it serves: the ports on loopback of the APIs and of the testbed's own calls.
"""

import argparse
import json
import os
import sys
import threading

import buckets
import ec2  # noqa: F401  before any other part of moto: its instances become machines
import groups
import metadata
import notices  # noqa: F401  topics as targets of rules
import resources  # noqa: F401  kinds of resources for CloudFormation
from control import control_app
from faults import Gate
from namespaces import listen_in
from state import region_state
from werkzeug.serving import make_server

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app


class Quiet(MotoRequestHandler):
    """Requests are counted, not printed."""

    def log_request(self, code="-", size="-"):
        pass


def serve(app, sock):
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet, fd=sock.detach())
    threading.Thread(target=server.serve_forever, daemon=True).start()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--region", required=True)
    parser.add_argument("--namespace", help="network namespace of the switch that the machines hang on")
    parser.add_argument("--address", help="address in it at which machines reach the APIs")
    parser.add_argument("--port", type=int, default=5000, help="port there")
    parser.add_argument("--access-key", default="emulated")
    parser.add_argument("--secret-key", default="emulated")
    parser.add_argument("--buckets", help="folder in which the S3 server has its buckets: one that moto makes is made there too")
    options = parser.parse_args()

    state = region_state
    state.name = options.region
    state.credentials = (options.access_key, options.secret_key)
    if options.buckets:
        buckets.make_in(options.buckets)
    moto = DomainDispatcherApplication(create_backend_app)
    gate = Gate(state, moto)
    apis = listen_in(None, "127.0.0.1", 0)
    control = listen_in(None, "127.0.0.1", 0)
    ports = {"apis": apis.getsockname()[1], "control": control.getsockname()[1]}
    serve(gate.for_operators, apis)
    serve(control_app(state), control)
    if options.namespace:
        metadata.serve(state, options.namespace)
        serve(gate.for_instances, listen_in(options.namespace, options.address, options.port))
    threading.Thread(target=groups.keep, args=(state,), daemon=True).start()
    print(json.dumps(ports), flush=True)
    sys.stdin.read()
    os._exit(0)  # threads that answer somebody are not waited for


main()
