"""A program that sends image files as they are to an ensemble which decodes, classifies and labels them.

    ensemble_image_client.py -u localhost:8000 -i http|grpc [-c CLASSES] [--async] FILE …

All files go in one batch. Prints the classes of each image, as `    SCORE (INDEX) = LABEL`.
"""

from __future__ import annotations

import argparse
import queue
import sys
from pathlib import Path

import numpy as np

MODEL = "preprocess_and_classify"


def main() -> None:
    options = read_options()
    if options.protocol == "http":
        import tritonclient.http as module
    else:
        import tritonclient.grpc as module
    images = np.array([[file.read_bytes()] for file in options.files], dtype=np.object_)
    with module.InferenceServerClient(options.url) as client:
        metadata = client.get_model_metadata(MODEL)
        config = client.get_model_config(MODEL)
        if options.protocol == "http":
            names = metadata["inputs"][0]["name"], metadata["outputs"][0]["name"]
            most = config["max_batch_size"]
        else:
            names = metadata.inputs[0].name, metadata.outputs[0].name
            most = config.config.max_batch_size
        if len(images) > most:
            sys.exit(f"the model takes {most} images at a time")
        given = module.InferInput(names[0], images.shape, "BYTES")
        given.set_data_from_numpy(images)
        wanted = module.InferRequestedOutput(names[1], class_count=options.classes)
        asked = {"model_name": MODEL, "inputs": [given], "outputs": [wanted]}
        if not options.is_async:
            answer = client.infer(**asked)
        elif options.protocol == "http":
            answer = client.async_infer(**asked).get_result()
        else:
            answers = queue.Queue()
            client.async_infer(**asked, callback=lambda result, error: answers.put(error or result))
            answer = answers.get(timeout=30)
        for file, rows in zip(options.files, answer.as_numpy(names[1]), strict=True):
            print(f"Image '{file.name}':")
            for row in rows:
                score, index, label = row.decode().split(":")
                print(f"    {float(score):f} ({index}) = {label}")
    print("PASS")


def read_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-u", "--url", required=True)
    parser.add_argument("-i", "--protocol", choices=("http", "grpc"), default="http")
    parser.add_argument("-c", "--classes", type=int, default=1)
    parser.add_argument("--async", dest="is_async", action="store_true")
    parser.add_argument("files", nargs="+", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
