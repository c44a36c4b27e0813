"""A search around another one."""

from __future__ import annotations

from fairseq.search import Search


class SearchAround(Search):
    """Changes what another search chooses from, or what it chose, and tells it all that fairseq's generator tells.

    Args:
        tgt_dict: fairseq's dictionary.
        search: takes the steps.
    """

    def __init__(self, tgt_dict, search: Search) -> None:
        super().__init__(tgt_dict)
        self.search = search
        self.supports_constraints = search.supports_constraints
        self.stop_on_max_len = search.stop_on_max_len

    def set_src_lengths(self, src_lengths) -> None:
        self.search.set_src_lengths(src_lengths)

    def init_constraints(self, batch_constraints, beam_size) -> None:
        self.search.init_constraints(batch_constraints, beam_size)

    def prune_sentences(self, batch_idxs) -> None:
        self.search.prune_sentences(batch_idxs)

    def update_constraints(self, active_hypos) -> None:
        self.search.update_constraints(active_hypos)
