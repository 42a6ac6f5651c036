"""`embeddings`: all-MiniLM-L6-v2 as it is. Nothing is learnt, only measured."""

from __future__ import annotations

from mlmesh.registry.manifest import Training
from nlp.training.embedding_model import EmbeddingModel
from nlp.training.graph import Graph
from nlp.training.release import Trained
from nlp.training.samples import varied_sample
from nlp.training.sentiment_figures import encoded
from nlp.training.similarity_figures import figures_of, read_pairs
from nlp.training.start import Start

NAME = "embeddings"
LONGEST = 256
LIMITS = (
    "English only; other languages, code and formulas get vectors that mean little.",
    "It reads 256 pieces (about 190 words) at once; of longer texts the vectors of overlapping "
    "parts are averaged, which blurs them.",
    "Alike is not the same as agreeing: 'I like this phone.' and 'I don't like this phone.' have a "
    "cosine of 0.82.",
    "The order of words weighs little: 'A dog bites a man.' and 'A man bites a dog.' have 0.97.",
    "So do numbers, names and codes: invoices over 20 and over 900 dollars have 0.83.",
    "It was learnt from pairs of texts of the web; which groups of people it puts near which words "
    "was not examined here.",
)


def train_embeddings(start: Start) -> Trained:
    tokenizer = start.tokenizer()
    test = read_pairs(start.data, "test")

    def figures(graph: Graph) -> dict[str, float]:
        return figures_of(graph, "stsb_spearman", test, tokenizer)

    return Trained(
        name=NAME,
        version="v1.0",
        description="Meaning of an English text as 384 numbers (all-MiniLM-L6-v2)",
        model=EmbeddingModel(start.encoder()),
        output="sentence_embedding",
        per_piece=False,
        labels=(),
        longest=LONGEST,
        tokenizer=tokenizer.to_str(),
        sample=encoded(varied_sample(start.data), tokenizer, LONGEST),
        largest_difference=0.04,
        training=Training(
            data="Over a billion pairs of sentences, by the authors of sentence-transformers; "
            "nothing was learnt here",
            licence="Apache-2.0 (weights)",
            citation="Reimers and Gurevych 2019, Sentence-BERT, doi 10.18653/v1/D19-1410; "
            "Wang et al. 2020, MiniLM, arXiv 2002.10957",
            split="STS-B (Cer et al. 2017), the official test pairs, used once; the scales of the "
            "whole numbers come from training texts of the other two models",
            method="The weights of sentence-transformers/all-MiniLM-L6-v2 as published, smoothed "
            "(Xiao et al. 2023) and rounded to int8 for each output",
        ),
        rows=len(test.scores),
        figures=figures,
        baselines={},
        notes="stsb_spearman is the rank correlation of cosines with the judgement of people. "
        "Whether STS-B was among what the authors chose their settings by is not known here.",
        limits=LIMITS,
        floors={"stsb_spearman": 0.815},
    )
