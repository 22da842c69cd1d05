"""Find the sentence that means the same: the shortest useful program on top of an embedding model.

Start a server (`make serve`), then: .venv/bin/python examples/semantic_search.py [ADDRESS]
"""
# ruff: noqa: INP001, T201 - a script; it prints

import sys

import naiad

SENTENCES = [
    "The cat sleeps on the sofa.",
    "Interest rates rose again.",
    "He fixed the bike's chain.",
    "Rain is expected.",
]
QUESTIONS = ["What will the weather be like?", "Where is the pet?", "Is borrowing money getting dearer?"]


def main(address: str) -> None:
    """Print the best sentence for each question."""
    with naiad.Client(address) as client:
        model = client.model("all-MiniLM-L6-v2")
        sentences = model(text=SENTENCES).embedding
        questions = model(text=QUESTIONS).embedding
    similarity = questions @ sentences.T  # embeddings have length 1, so this is the cosine
    for question, row in zip(QUESTIONS, similarity, strict=True):
        best = int(row.argmax())
        print(f"{question} -> {SENTENCES[best]} ({row[best]:.2f})")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "localhost:8000")
