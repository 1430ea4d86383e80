"""Drives the Python MCP client: prints what it lists, calls, gets and reads, as JSON.

Usage: mcp_client.py URL MODE PREFIX, where MODE is `auto` or `legacy`.
"""

import asyncio
import json
import sys

import mcp


async def main(url: str, mode: str, prefix: str) -> None:
    async with mcp.Client(url, mode=mode) as client:
        tools = (await client.list_tools()).tools
        called = await client.call_tool(f"{prefix}echo", {"message": "from python"})
        prompts = (await client.list_prompts()).prompts
        prompt = await client.get_prompt(f"{prefix}simple-prompt")
        resources = (await client.list_resources()).resources
        read = await client.read_resource(str(resources[0].uri))
        print(
            json.dumps(
                {
                    "tools": [tool.name for tool in tools],
                    "called": called.content[0].text,
                    "prompts": [prompt.name for prompt in prompts],
                    "prompt": prompt.messages[0].content.text,
                    "resources": [str(resource.uri) for resource in resources],
                    "read": [str(content.uri) for content in read.contents],
                }
            )
        )


asyncio.run(main(*sys.argv[1:]))
