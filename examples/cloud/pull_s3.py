#!/usr/bin/env python3
"""Have a box that nobody can reach send its clips to S3, as `courtside pull --mqtt --s3` does. pip install aiomqtt boto3
    pull_s3.py BROKER[:PORT] BOX BUCKET [--endpoint URL] [--game SESSION]     keys: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY
"""
import argparse, asyncio, hashlib, json, time, traceback, uuid, aiomqtt, boto3, botocore

arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
[arguments.add_argument(name) for name in ("broker", "box", "bucket", "--endpoint", "--game")]
asked, PART, heard = arguments.parse_args(), 8 << 20, {}
client = boto3.client("s3", endpoint_url=asked.endpoint, config=botocore.config.Config(signature_version="s3v4", s3={"addressing_style": "path"}))
soon = lambda s: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + s))
async def s3(call, or_else=None, **more):
    try:
        return await asyncio.to_thread(getattr(client, call), Bucket=asked.bucket, **more)
    except botocore.exceptions.ClientError:
        return or_else if or_else is not None else exit(f"{call} {more}: {traceback.format_exc(0)}")

async def ask(mqtt, operation, ident=None, needs=None, **more):
    # One that runs under this id, asked by a run of this that was killed, is only heard.
    ident = ident or uuid.uuid4().hex
    heard[ident], topic = asyncio.Queue(), f"courtside/1/{asked.box}/command/{ident}"
    await mqtt.subscribe(topic + "/state", qos=1)
    await mqtt.publish(topic, json.dumps({"operation": operation, "arguments": more, "expires": soon(600)}), qos=1)
    while (state := await heard[ident].get())["state"] not in ("done", "failed", "refused"):
        state.get("needs") and await needs(state["needs"])
    return state["result"] if state["state"] == "done" else exit(f"{operation}: {state.get('code')}: {state.get('reason')}")

async def bring(mqtt, clip):
    """Bytes that were sent, now or before. What is in the bucket is left there; parts that are there are not sent again."""
    key, size, sha256 = f"{asked.box}/{clip['id']}.mp4", clip["media"]["bytes"], clip["media"]["sha256"]
    there = lambda head: head["ContentLength"] == size and head["Metadata"].get("sha256", sha256) == sha256 or exit(f"{key} is not the clip")
    begin = lambda: s3("create_multipart_upload", Key=key, ContentType="video/mp4", Metadata={"sha256": sha256})
    if head := await s3("head_object", {}, Key=key):
        return there(head) and 0
    begun = [one for one in (await s3("list_multipart_uploads", {}, Prefix=key)).get("Uploads", []) if one["Key"] == key]
    at = {"Key": key, "UploadId": (begun[0] if begun else await begin())["UploadId"]}
    name = hashlib.sha256(f"{clip['id']} {sha256} {at['UploadId']}".encode()).hexdigest()[:32]
    async def needs(wanted):
        if wanted["reason"] == "no_such_upload":
            at["UploadId"] = (await begin())["UploadId"]
        have = [{"number": one["PartNumber"], "etag": one["ETag"]} for one in (await s3("list_parts", **at)).get("Parts", [])]
        sign = lambda n: {"number": n, "url": client.generate_presigned_url("upload_part", {"Bucket": asked.bucket, **at, "PartNumber": n}, 900)}
        await ask(mqtt, "clip_upload_urls", upload=name, have=have, parts=[sign(n) for n in wanted["parts"]])
    done = await ask(mqtt, "clip_upload", name, needs, clip=clip["id"], upload=name, to={"multipart": {"part_bytes": PART}})
    await s3("complete_multipart_upload", **at, MultipartUpload={"Parts": [{"PartNumber": one["number"], "ETag": one["etag"]} for one in done["parts"]]})
    return there(await s3("head_object", Key=key)) and done["sent_bytes"]

async def main():
    (host, _, port), page, clips, moved = asked.broker.partition(":"), {"next": 0}, 0, 0
    async with aiomqtt.Client(host, int(port or 1883), protocol=aiomqtt.ProtocolVersion.V5) as mqtt:
        async def hears():
            async for message in mqtt.messages:
                heard[str(message.topic).split("/")[4]].put_nowait(json.loads(message.payload))
        hearing = asyncio.create_task(hears())  # held, so that it is not swept away
        while "next" in page:
            page = await ask(mqtt, "clip_list", after=page["next"], **({"session": asked.game} if asked.game else {}))
            for clip in [clip for clip in page["clips"] if clip.get("media")]:
                clips, moved = clips + 1, moved + await bring(mqtt, clip)
                await ask(mqtt, "clip_ack", clip=clip["id"], sha256=clip["media"]["sha256"])
        hearing.cancel()
    print(json.dumps({"clips": clips, "moved_bytes": moved}))
asyncio.run(main())
