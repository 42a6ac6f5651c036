"""`embeddings`: all-MiniLM-L6-v2 as it is. Nothing is learnt, only measured."""

from __future__ import annotations

from mlmesh.registry.manifest import Training
from nlp.training.embedding_figures import all_figures, lead_figures, read_embedding_tests
from nlp.training.embedding_model import EmbeddingModel
from nlp.training.encoded_texts import encoded
from nlp.training.graph import Graph
from nlp.training.release import Trained
from nlp.training.samples import varied_sample
from nlp.training.start import Start
from nlp.training.summary_figures import FIRST_SENTENCES

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


NOTES = (
    "stsb_spearman is the rank correlation of cosines with the judgement of people, stsb_pearson "
    "the plain one. Whether STS-B was among what the authors chose their settings by is not known "
    "here. The others are of summaries out of a text's own sentences: ROUGE F1 without stemming "
    "against summaries by people. bbc: 40 % of the sentences; _three: three of them; cnndm: CNN "
    "and Daily Mail. _over_lead: by how much ROUGE-1 is above that of as many first sentences."
)
SPLIT = (
    "STS-B (Cer et al. 2017), the official test pairs; BBC news, 295 articles of the test file, "
    "and 50 articles of CNN and Daily Mail: used to report only, of these articles twice, for an "
    "earlier way to choose sentences and for this one. It was settled on 595 other articles of BBC "
    "and 50 of CNN and Daily Mail. The scales of the whole numbers come from training texts of the "
    "other two models"
)


def train_embeddings(start: Start) -> Trained:
    tokenizer = start.tokenizer()
    tests = read_embedding_tests(start.data)

    def figures(graph: Graph) -> dict[str, float]:
        return all_figures(graph, tests, tokenizer)

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
            split=SPLIT,
            method="The weights of sentence-transformers/all-MiniLM-L6-v2 as published, smoothed "
            "(Xiao et al. 2023) and rounded to int8 for each output",
        ),
        rows=tests.rows,
        figures=figures,
        baselines={FIRST_SENTENCES: lead_figures(tests)},
        notes=NOTES,
        limits=LIMITS,
        floors={"stsb_spearman": 0.82},
    )
