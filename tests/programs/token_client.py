"""Drives the Python MCP client with an access token: prints the tools that it lists, and
the text that a call of one of them answers, as JSON.

Usage: token_client.py URL TOKEN TOOL
"""

import asyncio
import json
import sys
import warnings

import mcp
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

warnings.simplefilter("ignore")


async def main(url: str, token: str, tool: str) -> None:
    http = create_mcp_http_client(headers={"Authorization": f"Bearer {token}"})
    async with mcp.Client(streamable_http_client(url, http_client=http)) as client:
        tools = (await client.list_tools()).tools
        called = await client.call_tool(tool, {})
    print(json.dumps({"tools": sorted(tool.name for tool in tools), "called": called.content[0].text}))


asyncio.run(main(*sys.argv[1:]))
