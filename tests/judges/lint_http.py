"""Runs REDbot on each URL of the command line, and prints its warnings and errors as JSON.

REDbot's own command line judges one URL and does not print the level of a note.
"""

import json
import sys
from configparser import ConfigParser

import thor
from redbot.resource import HttpResource


def check(url, checked):
    """Begins to check a URL; `checked` is called with the resource at the end."""
    config = ConfigParser()
    config.read_dict({"redbot": {"enable_local_access": "True"}})
    resource = HttpResource(config["redbot"])
    resource.set_request(url)
    resource.on("check_done", lambda: checked(resource))
    resource.check()


def report(resource):
    """The notes about a resource and about the further requests that REDbot made of it."""
    responses = [resource.response, *(check.response for check in resource.subreqs.values())]
    return {
        "url": resource.request.uri,
        "status": resource.response.status_code,
        "notes": [
            {"id": type(note).__name__, "level": note.level.value, "summary": note.summary}
            for response in responses
            for note in response.notes
        ],
    }


def main(urls):
    reports = []

    def next_url(resource=None):
        if resource is not None:
            reports.append(report(resource))
        if urls:
            check(urls.pop(0), next_url)
        else:
            thor.stop()

    thor.schedule(0, next_url)
    thor.run()
    json.dump(reports, sys.stdout)


main(sys.argv[1:])
