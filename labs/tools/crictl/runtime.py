"""The commands on the runtime itself: version, info."""

from argparse import Namespace

from labs.tools.crictl.connection import Connection, cri
from labs.tools.crictl.containers import with_info
from labs.tools.crictl.render import document, in_order, show


def version(connection: Connection, _: Namespace) -> None:
    answer = connection.runtime("Version", cri.VersionRequest(version="v1"))
    print(f"Version:  {answer.version}")
    print(f"RuntimeName:  {answer.runtime_name}")
    print(f"RuntimeVersion:  {answer.runtime_version}")
    print(f"RuntimeApiVersion:  {answer.runtime_api_version}")


def info(connection: Connection, options: Namespace) -> None:
    answer = connection.runtime("Status", cri.StatusRequest(verbose=not options.quiet))
    status = document(answer.status)
    result = with_info({"status": {"conditions": status["conditions"]}}, answer.info)
    show(in_order(result), "yaml" if options.output == "yaml" else "json")
