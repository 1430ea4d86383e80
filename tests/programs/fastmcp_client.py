"""Drives the fastmcp client: prints what it lists, calls, gets and reads, and what it
is told and asked meanwhile, as JSON.

Usage: fastmcp_client.py URL PREFIX
"""

import asyncio
import json
import sys
import warnings

import fastmcp

warnings.simplefilter("ignore")


async def main(url: str, prefix: str) -> None:
    progress = []
    logs = []

    async def sample(messages, _params, _context):
        return f"answer to {messages[0].content.text}"

    async def elicit(message, response_type, _params, _context):
        return response_type(username=message, email="a@example.com")

    async def log(message):
        logs.append(message.data)

    async def note(done, total, _message):
        progress.append([done, total])

    client = fastmcp.Client(
        url, sampling_handler=sample, elicitation_handler=elicit, roots=["file:///test"], log_handler=log
    )
    async with client:

        async def call(name, arguments=None, **options):
            result = await client.call_tool(f"{prefix}{name}", arguments, **options)
            return result.content[0].text

        tools = await client.list_tools()
        prompts = await client.list_prompts()
        resources = await client.list_resources()
        uris = {resource.name: str(resource.uri) for resource in resources}
        arguments = {"arg1": "one", "arg2": "two"}
        prompt = await client.get_prompt(f"{prefix}test_prompt_with_arguments", arguments)
        read = (await client.read_resource(uris["static text"]))[0]
        called = await call("test_simple_text")
        await call("test_tool_with_progress", progress_handler=note)
        await client.set_logging_level("info")
        await call("test_tool_with_logging")
        seen = {
            "tools": [tool.name for tool in tools],
            "called": called,
            "prompts": [prompt.name for prompt in prompts],
            "prompt": prompt.messages[0].content.text,
            "resources": list(uris.values()),
            "read": [str(read.uri), read.text],
            "progress": progress,
            "logs": logs,
            "sampled": await call("test_sampling", {"prompt": "a question"}),
            "elicited": await call("test_elicitation", {"message": "who"}),
            "roots": await call("test_list_roots"),
        }
    print(json.dumps(seen))


asyncio.run(main(*sys.argv[1:]))
