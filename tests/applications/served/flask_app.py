"""A Flask application with a bit of everything."""

import os
import threading
import time

import numpy as np
from flask import Blueprint, Flask, Response, abort, g, jsonify, redirect, request, session, url_for

import naiad

app = Flask(__name__)
app.secret_key = "a secret of this test"
closed = []


@naiad.batched
def double(values):
    """Slow, so that calls meet; a row of 13 cannot be doubled, and one of 99 ends the process."""
    time.sleep(0.05)
    if (values == 13).any():
        raise ValueError("13 cannot be doubled")
    if (values == 99).any():
        os._exit(3)
    return {"twice": values * 2, "pid": [os.getpid()] * len(values), "rows": [len(values)] * len(values)}


@naiad.batched(max_batch_size=4, max_wait_ms=200)
def shout(texts, mark="!"):
    """Strings, with a constant."""
    return [text.upper() + mark if text != "bad" else KeyError(text) for text in texts]


@app.before_request
def before():
    g.began = "before"


@app.after_request
def after(response):
    response.headers["X-Hook"] = g.began
    return response


@app.get("/")
def home():
    return f"hello {request.args.get('name', 'you')} {request.headers.get('X-Asked', '')}"


@app.post("/double")
def doubled():
    found = double(np.array([request.get_json()["x"]], dtype=np.float32))
    return jsonify(y=float(found["twice"][0]), rows=found["rows"][0], ran=found["pid"][0], pid=os.getpid())


@app.post("/shout")
def shouted():
    return jsonify(shout([request.json["text"]], mark=request.json.get("mark", "!")))


@app.errorhandler(ValueError)
def wrong(error):
    return jsonify(error=str(error), kind=type(error).__name__), 422


@app.route("/echo", methods=["GET", "POST", "PUT", "DELETE", "PATCH"])
def echo():
    return Response(request.get_data(), headers={"X-Method": request.method, "X-Type": request.content_type or ""})


@app.post("/upload")
def upload():
    file = request.files["file"]
    data = file.read()
    return jsonify(name=file.filename, size=len(data), ends=list(data[-2:]), more=request.form["more"])


@app.get("/visits")
def visits():
    session["n"] = session.get("n", 0) + 1
    return str(session["n"])


@app.get("/stream")
def stream():
    number, times = int(request.args.get("n", 3)), int(request.args.get("times", 1))

    def parts():
        try:
            for index in range(number):
                yield f"{index}\n" * times
        finally:
            closed.append(1)

    return Response(parts(), mimetype="text/plain")


@app.get("/closed")
def count_closed():
    return str(len(closed))


@app.get("/breaks")
def breaks():
    def parts():
        yield "begin"
        raise RuntimeError("in the middle")

    return Response(parts(), mimetype="text/plain")


@app.get("/where")
def where():
    return jsonify(
        url=url_for("home", _external=True),
        client=request.remote_addr,
        path=request.path,
        query=request.query_string.decode(),
    )


@app.get("/old")
def old():
    return redirect(url_for("home", name="new"))


@app.get("/teapot")
def teapot():
    abort(418)


@app.get("/nothing")
def nothing():
    return "", 204


@app.get("/fails")
def fails():
    raise RuntimeError("a secret of the application")


@app.get("/wait")
def wait():
    time.sleep(float(request.args["s"]))
    return "done"


@app.get("/ends")
def ends():
    os._exit(5)


@app.get("/threads")
def threads():
    return str(threading.active_count())


@app.get("/header")
def header():
    response = Response("x")
    response.headers.add_header("Set-Cookie", "a=1")
    response.headers.add_header("Set-Cookie", "b=2")
    return response


below = Blueprint("below", __name__, url_prefix="/below")


@below.get("/<int:number>/<path:rest>")
def numbered(number, rest):
    return f"{number + 1} {rest}"


app.register_blueprint(below)
