#!/usr/bin/env python3
"""The second look against a server that checks each request with the vendors' own published types, and builds each
answer by them: PyPI `openai`, `anthropic`, `google-genai`, in a folder of its own (made where it is not there).

    trials/look.py [--bin target/debug/courtside] [--venv DIR]

`courtside eval` plays the demo's game (8 attempts, rendered) and asks a hosted bundle about every final, in each of the
three shapes; then one shape is answered slowly, with 429, 401, 500, torn JSON, a refusal, prose, a lie, and not at all.
What the requests have wrong by the vendors' types, and what was counted otherwise than it should be, is told.
Its answers are made up: no accuracy follows from them. Ends 0 if all held, 3 if the packages cannot be had.
"""
import argparse
import base64
import http.server
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parent.parent
PACKAGES = ["openai", "anthropic", "google-genai"]
ATTEMPTS = 8
# Of an answer: tokens in and out.
TOKENS = (1000, 20)


def in_venv(folder):
    """This file again, with the packages."""
    python = folder / "bin/python"
    if not python.exists():
        made = subprocess.run([sys.executable, "-m", "venv", folder]).returncode or subprocess.run(
            [python, "-m", "pip", "install", "-q", *PACKAGES]).returncode
        if made:
            print("NOT RUN: the vendors' packages cannot be had")
            sys.exit(3)
    os.execv(python, [python, *sys.argv, "--here"])


def typed(kind, value, what):
    """Wrong by this type, in words."""
    import pydantic
    try:
        pydantic.TypeAdapter(kind).validate_python(value)
        return []
    except pydantic.ValidationError as error:
        return [f"{what}: {line['loc']} {line['msg']}" for line in error.errors()[:3]]


def strangers(kind, value, what):
    """Keys that a typed dict does not have: it takes them without a word."""
    import typing_extensions
    known = typing_extensions.get_type_hints(kind)
    return [f"{what}: no key {key}" for key in value if key not in known]


def jpeg(data, what):
    sheet = base64.b64decode(data, validate=True)
    good = sheet[:2] == b"\xff\xd8" and sheet[-2:] == b"\xff\xd9"
    return [] if good else [f"{what}: no JPEG"]


class OpenAi:
    name = "openai"

    @staticmethod
    def wrong(path, headers, body):
        from openai.types.chat import chat_completion_content_part_image_param as image
        from openai.types.chat import chat_completion_content_part_text_param as text
        from openai.types.chat import completion_create_params as params
        from openai.types.shared_params import response_format_json_schema as schema
        found = strangers(params.CompletionCreateParamsNonStreaming, body, "body")
        found += [] if path == "/v1/chat/completions" else [f"path {path}"]
        found += [] if headers.get("authorization") == "Bearer sk-test" else ["key"]
        found += typed(schema.ResponseFormatJSONSchema, body["response_format"], "response_format")
        found += typed(int, body["max_completion_tokens"], "max_completion_tokens")
        [message] = body["messages"]
        found += [] if set(message) == {"role", "content"} and message["role"] == "user" else ["message"]
        picture, words = message["content"]
        found += typed(image.ChatCompletionContentPartImageParam, picture, "picture")
        found += strangers(image.ImageURL, picture["image_url"], "image_url")
        found += typed(text.ChatCompletionContentPartTextParam, words, "text")
        head, data = picture["image_url"]["url"].split(",", 1)
        return found + ([] if head == "data:image/jpeg;base64" else [head]) + jpeg(data, "picture")

    @staticmethod
    def answer(said, refuses=False, cut=False):
        from openai.types.chat import ChatCompletion
        message = {"role": "assistant", "content": None if refuses else said, "refusal": "No." if refuses else None}
        finish = "length" if cut else "stop"
        return ChatCompletion.model_validate({
            "id": "x", "object": "chat.completion", "created": 1, "model": "m-1",
            "choices": [{"index": 0, "finish_reason": finish, "logprobs": None, "message": message}],
            "usage": {"prompt_tokens": TOKENS[0], "completion_tokens": TOKENS[1], "total_tokens": sum(TOKENS)},
        }).model_dump_json()


class Gemini:
    name = "gemini"

    @staticmethod
    def wrong(path, headers, body):
        from google.genai import types
        found = [] if path == "/v1/models/m-1:generateContent" else [f"path {path}"]
        found += [] if headers.get("x-goog-api-key") == "sk-test" else ["key"]
        found += [] if set(body) == {"contents", "generationConfig"} else [f"body {set(body)}"]
        # These models refuse what they do not know.
        found += typed(list[types.Content], body["contents"], "contents")
        found += typed(types.GenerationConfig, body["generationConfig"], "generationConfig")
        picture, words = body["contents"][0]["parts"]
        found += [] if words["text"] else ["text"]
        return found + jpeg(picture["inlineData"]["data"], "picture")

    @staticmethod
    def answer(said, refuses=False, cut=False):
        from google.genai import types
        finish = "SAFETY" if refuses else "MAX_TOKENS" if cut else "STOP"
        thought, word = types.Part(text="let me see", thought=True), types.Part(text=said)
        return types.GenerateContentResponse(
            candidates=[types.Candidate(content=types.Content(role="model", parts=[thought, word]),
                                        finish_reason=types.FinishReason(finish))],
            usage_metadata=types.GenerateContentResponseUsageMetadata(
                prompt_token_count=TOKENS[0], candidates_token_count=TOKENS[1] - 15, thoughts_token_count=15),
            model_version="m-1-001").model_dump_json(by_alias=True, exclude_none=True)


class Anthropic:
    name = "anthropic"

    @staticmethod
    def wrong(path, headers, body):
        from anthropic.types import (image_block_param, message_create_params, output_config_param, text_block_param)
        found = strangers(message_create_params.MessageCreateParamsNonStreaming, body, "body")
        found += [] if path == "/v1/messages" else [f"path {path}"]
        found += [] if headers.get("x-api-key") == "sk-test" else ["key"]
        found += [] if headers.get("anthropic-version") == "2023-06-01" else ["version"]
        found += typed(output_config_param.OutputConfigParam, body["output_config"], "output_config")
        found += typed(int, body["max_tokens"], "max_tokens")
        [message] = body["messages"]
        found += [] if set(message) == {"role", "content"} and message["role"] == "user" else ["message"]
        picture, words = message["content"]
        found += typed(image_block_param.ImageBlockParam, picture, "picture")
        found += typed(text_block_param.TextBlockParam, words, "text")
        return found + jpeg(picture["source"]["data"], "picture")

    @staticmethod
    def answer(said, refuses=False, cut=False):
        from anthropic.types import Message
        stop = "refusal" if refuses else "max_tokens" if cut else "end_turn"
        return Message.model_validate({
            "id": "x", "type": "message", "role": "assistant", "model": "m-1", "stop_reason": stop,
            "stop_sequence": None, "content": [{"type": "thinking", "thinking": "hm", "signature": ""},
                                               {"type": "text", "text": said, "citations": None}],
            "usage": {"input_tokens": TOKENS[0], "output_tokens": TOKENS[1]},
        }).model_dump_json()


YES = '{"answer": "YES"}'


class Server:
    """Answers as `does` says, and notes what is wrong with what it was asked."""

    def __init__(self):
        self.shape, self.does, self.wrong, self.asked = OpenAi, "right", [], 0
        self.free = threading.Event()
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                headers = {key.lower(): value for key, value in self.headers.items()}
                server.asked += 1
                try:
                    server.wrong += server.shape.wrong(self.path, headers, body)
                except Exception as error:  # a request of another form altogether
                    server.wrong.append(f"{type(error).__name__}: {error}")
                server.reply(self)

            def log_message(self, *_):
                pass

        class Threads(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                """Who asked has gone."""

        self.http = Threads(("127.0.0.1", 0), Handler)
        self.port = self.http.server_address[1]
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def reply(self, to):
        answer, status, headers = self.shape.answer(YES), 200, {}
        if self.does == "hang":
            self.free.wait(60)
            return
        if self.does in ("429", "401", "500"):
            answer, status = '{"error": {"message": "no"}}', int(self.does)
        elif self.does == "prose":
            answer = self.shape.answer("The ball went in, I am quite sure.")
        elif self.does == "lie":
            answer = self.shape.answer('{"answer": "MADE", "sure": 1.7}')
        elif self.does == "refusal":
            answer = self.shape.answer(YES, refuses=True)
        elif self.does == "cut":
            answer = self.shape.answer('{"answer": "Y', cut=True)
        elif self.does == "torn":
            answer = answer[: len(answer) // 2]
        body = answer.encode()
        to.send_response(status)
        to.send_header("content-type", "application/json")
        to.send_header("content-length", str(len(body)))
        to.end_headers()
        if self.does == "slow":
            for at in range(0, len(body), 40):
                to.wfile.write(body[at:at + 40])
                to.wfile.flush()
                self.free.wait(0.02)
        else:
            to.wfile.write(body)


def evaluated(binary, server, folder, shape, more=""):
    bundle = folder / "hosted-x"
    bundle.mkdir(exist_ok=True)
    (bundle / "key").write_text("sk-test\n")
    (bundle / "model.toml").write_text(
        f'format = 2\nname = "hosted-x"\nversion = "0.1.0"\ntask = "rim"\nwhere = "hosted"\nrole = "live"\n'
        f'shape = "{shape.name}"\nmodel = "m-1"\naddress = "http://127.0.0.1:{server.port}/v1"\nkey_file = "key"\n'
        f'effort = "low"\ndeadline_ms = 2000\ncap_usd_a_day = 5.0\n{more}'
        f'[price]\ndate = "2026-11-28"\ninput_usd_a_million = 1.0\noutput_usd_a_million = 5.0\n')
    server.shape, server.asked = shape, 0
    done = subprocess.run(
        [binary, "eval", "--truth", ROOT / "assets/demo/game.json", "--models-dir", folder, "--bundle", "hosted-x",
         "--crops-may-leave", "--json"], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"eval ended {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default=ROOT / "target/debug/courtside", type=pathlib.Path)
    parser.add_argument("--venv", default=ROOT / "target/look-venv", type=pathlib.Path)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if not args.here:
        in_venv(args.venv.absolute())
    server, faults = Server(), []
    for shape in (OpenAi, Gemini, Anthropic):
        # Types are imported now: later somebody waits for an answer.
        shape.answer(YES)
        try:
            shape.wrong("", {}, {})
        except Exception:
            pass
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)

        def check(what, came, **expected):
            wrong = [f"{key} is {came[key]}, not {value}" for key, value in expected.items() if came[key] != value]
            if server.wrong:
                wrong += sorted(set(server.wrong))
                server.wrong = []
            print(f"{what:24} {'held' if not wrong else '; '.join(wrong)}", flush=True)
            faults.extend(wrong)

        # A token in costs a millionth of a dollar, one out five.
        cost = round((TOKENS[0] + 5 * TOKENS[1]) / 1e6 * ATTEMPTS, 9)
        for shape in (OpenAi, Gemini, Anthropic):
            server.does = "right"
            came = evaluated(args.bin, server, folder, shape)
            came["cost_usd"] = round(came["cost_usd"], 9)
            check(shape.name, came, asked=ATTEMPTS, questions=ATTEMPTS, failed={}, cost_usd=cost)
            for does, failed in [("refusal", "refused"), ("cut", "truncated"), ("torn", "truncated"),
                                 ("prose", "prose"), ("lie", "other_contract")]:
                server.does = does
                came = evaluated(args.bin, server, folder, shape)
                right = came["local"]["right"] == came["with_answers"]["right"]
                check(f"{shape.name}, {does}", {**came, "calls": right}, failed={failed: ATTEMPTS}, calls=True)
        for does, failed, nothing in [("slow", {}, False), ("429", {"too_many": ATTEMPTS}, True),
                                      ("401", {"request_refused": ATTEMPTS}, True),
                                      ("500", {"no_answer": ATTEMPTS}, False), ("hang", {"no_answer": ATTEMPTS}, False)]:
            server.does = does
            came = evaluated(args.bin, server, folder, OpenAi)
            check(does, {**came, "free": came["cost_usd"] == 0}, failed=failed, free=nothing)
        # 32,000 tokens of 5 millionths are $0.16 and some each: all eight stay within the cap.
        server.does = "hang"
        came = evaluated(args.bin, server, folder, OpenAi, more="most_output_tokens = 32000\n")
        check("a dear answer", {**came, "within": came["cost_usd"] <= 5.0}, within=True)
    if faults:
        sys.exit(f"{len(faults)} did not hold")


if __name__ == "__main__":
    main()
