"""Drives the Python MCP client: prints what it lists, calls, gets and reads, and what
it is told and asked meanwhile, as JSON.

Usage: mcp_client.py URL MODE PREFIX, where MODE is `auto` or `legacy`.
"""

import asyncio
import json
import sys
import warnings

import mcp
import mcp_types as types
from mcp.client.sse import sse_client

PATIENCE = 30
warnings.simplefilter("ignore")


async def main(url: str, mode: str, prefix: str) -> None:
    logs = []
    updated = asyncio.get_running_loop().create_future()

    async def sample(_context, params):
        text = f"answer to {params.messages[0].content.text}"
        content = types.TextContent(type="text", text=text)
        return types.CreateMessageResult(role="assistant", model="test", content=content)

    async def elicit(_context, params):
        content = {"username": params.message, "email": "a@example.com"}
        return types.ElicitResult(action="accept", content=content)

    async def list_roots(_context):
        return types.ListRootsResult(roots=[types.Root(uri="file:///test", name="test")])

    async def log(params):
        logs.append(params.data)

    async def hear(message):
        if isinstance(message, types.ResourceUpdatedNotification):
            updated.set_result(str(message.params.uri))

    client = mcp.Client(
        sse_client(url) if url.endswith("/sse") else url,
        mode=mode,
        sampling_callback=sample,
        elicitation_callback=elicit,
        list_roots_callback=list_roots,
        logging_callback=log,
        message_handler=hear,
    )
    async with client:

        async def call(name, arguments=None, **options):
            result = await client.call_tool(f"{prefix}{name}", arguments, **options)
            return result.content[0].text

        tools = (await client.list_tools()).tools
        prompts = (await client.list_prompts()).prompts
        resources = (await client.list_resources()).resources
        uris = {resource.name: str(resource.uri) for resource in resources}
        arguments = {"arg1": "one", "arg2": "two"}
        prompt = await client.get_prompt(f"{prefix}test_prompt_with_arguments", arguments)
        read = (await client.read_resource(uris["static text"])).contents[0]
        called = await call("test_simple_text")

        progress = []

        async def note(done, total, _message):
            progress.append([done, total])

        await call("test_tool_with_progress", progress_callback=note)
        await client.set_logging_level("info")
        await call("test_tool_with_logging")
        sampled = await call("test_sampling", {"prompt": "a question"})
        elicited = await call("test_elicitation", {"message": "who"})
        roots = await call("test_list_roots")
        await client.subscribe_resource(uris["watched resource"])
        await call("test_update_watched_resource")
        seen = {
            "tools": [tool.name for tool in tools],
            "called": called,
            "prompts": [prompt.name for prompt in prompts],
            "prompt": prompt.messages[0].content.text,
            "resources": list(uris.values()),
            "read": [str(read.uri), read.text],
            "progress": progress,
            "logs": logs,
            "sampled": sampled,
            "elicited": elicited,
            "roots": roots,
            "updated": [uris["watched resource"], await asyncio.wait_for(updated, PATIENCE)],
        }
    print(json.dumps(seen))


asyncio.run(main(*sys.argv[1:]))
