"""The nlp service: sentiment, entities, summaries and embeddings of English text."""

from __future__ import annotations
