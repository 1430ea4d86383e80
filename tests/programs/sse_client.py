"""Drives the Python MCP client over HTTP+SSE of 2024-11-05: prints what it lists and
calls, and what it is told and asked meanwhile, as JSON.

Usage: sse_client.py URL PREFIX
"""

import asyncio
import json
import sys
import warnings

import mcp
import mcp_types as types
from mcp.client.sse import sse_client

warnings.simplefilter("ignore")


async def main(url: str, prefix: str) -> None:
    logs = []
    progress = []

    async def elicit(_context, params):
        content = {"username": params.message, "email": "a@example.com"}
        return types.ElicitResult(action="accept", content=content)

    async def log(params):
        logs.append(params.data)

    async def note(done, total, _message):
        progress.append([done, total])

    async with sse_client(url) as (read, write):
        async with mcp.ClientSession(read, write, elicitation_callback=elicit, logging_callback=log) as session:
            await session.initialize()

            async def call(name, arguments=None, **options):
                result = await session.call_tool(f"{prefix}{name}", arguments, **options)
                return result.content[0].text

            tools = (await session.list_tools()).tools
            called = await call("test_simple_text")
            await call("test_tool_with_progress", progress_callback=note)
            await call("test_tool_with_logging")
            elicited = await call("test_elicitation", {"message": "who"})
    seen = {
        "tools": [tool.name for tool in tools],
        "called": called,
        "progress": progress,
        "logs": logs,
        "elicited": elicited,
    }
    print(json.dumps(seen))


asyncio.run(main(*sys.argv[1:]))
