"""Drives the fastmcp client: prints what it lists and calls, as JSON.

Usage: fastmcp_client.py URL PREFIX
"""

import asyncio
import json
import sys

import fastmcp


async def main(url: str, prefix: str) -> None:
    async with fastmcp.Client(url) as client:
        tools = await client.list_tools()
        called = await client.call_tool(f"{prefix}echo", {"message": "from fastmcp"})
        print(json.dumps({"tools": [tool.name for tool in tools], "called": called.content[0].text}))


asyncio.run(main(*sys.argv[1:]))
