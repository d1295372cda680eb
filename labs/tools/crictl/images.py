"""The commands on images: images, inspecti, pull, rmi."""

from argparse import Namespace
from typing import Any

from labs.tools.crictl.connection import Connection, cri
from labs.tools.crictl.containers import with_info
from labs.tools.crictl.errors import CrictlError
from labs.tools.crictl.render import document, in_order, short, show, size, table

_NONE = "<none>"


def images(connection: Connection, options: Namespace) -> None:
    wanted = cri.ImageFilter(image=cri.ImageSpec(image=options.reference or ""))
    found = connection.images("ListImages", cri.ListImagesRequest(filter=wanted)).images
    if options.output != "table":
        documents = [document(each, nested=True) for each in found]
        show({"images": in_order(documents) if options.output == "yaml" else documents}, options.output)
    elif options.quiet:
        print("".join(f"{each.id}\n" for each in found), end="")
    elif options.verbose:
        for each in found:
            _print_verbose(each)
    else:
        print(_table(found, digests=options.digests, full=options.no_trunc), end="")


def _table(found: Any, *, digests: bool, full: bool) -> str:
    rows = [("IMAGE", "TAG", *(("DIGEST",) if digests else ()), "IMAGE ID", "SIZE")]
    lines = []
    for each in found:
        digest = each.repo_digests[0].partition("@")[2] if each.repo_digests else _NONE
        for tag in each.repo_tags or [f"{_NONE}:{_NONE}"]:
            name, _, version = tag.rpartition(":")
            columns = [name, version]
            if digests:
                columns.append(digest if full else short(digest))
            lines.append((*columns, each.id if full else short(each.id), size(each.size, 3)))
    return table([*rows, *sorted(lines)])


def _print_verbose(image: Any) -> None:
    print(f"ID: {image.id}")
    for tag in image.repo_tags:
        print(f"RepoTags: {tag}")
    for digest in image.repo_digests:
        print(f"RepoDigests: {digest}")
    print(f"Size: {image.size}")
    print(f"Uid: {image.uid.value or ''}")
    if image.pinned:
        print("Pinned: true")
    print()


def _status(connection: Connection, name: str, *, verbose: bool = False) -> Any:
    request = cri.ImageStatusRequest(image=cri.ImageSpec(image=name), verbose=verbose)
    answer = connection.images("ImageStatus", request)
    if not answer.image.id:
        raise CrictlError(f"no such image {name}" if not verbose else f'no such image "{name}" present')
    return answer


def inspect(connection: Connection, options: Namespace) -> None:
    for name in options.ids:
        answer = _status(connection, name, verbose=not options.quiet)
        if options.output == "table":
            print(f"ID: {answer.image.id}")
            print("".join(f"Tag: {tag}\n" for tag in answer.image.repo_tags), end="")
            print("".join(f"Digest: {digest}\n" for digest in answer.image.repo_digests), end="")
            print(f"Size: {size(answer.image.size, 3)}")
        else:
            show(in_order(with_info({"status": document(answer.image)}, answer.info)), options.output)


def pull(connection: Connection, options: Namespace) -> None:
    request = cri.PullImageRequest(image=cri.ImageSpec(image=options.reference))
    try:
        answer = connection.images("PullImage", request)
    except CrictlError as failure:
        # the runtime's reason speaks for itself
        raise CrictlError(
            f"pulling image: {str(failure).removeprefix('rpc error: code = Unknown desc = ')}"
        ) from failure
    print(f"Image is up to date for {answer.image_ref}")


def remove(connection: Connection, options: Namespace) -> None:
    for name in options.ids:
        image = _status(connection, name).image
        connection.images("RemoveImage", cri.RemoveImageRequest(image=cri.ImageSpec(image=image.id)))
        for tag in image.repo_tags:
            print(f"Deleted: {tag}")
