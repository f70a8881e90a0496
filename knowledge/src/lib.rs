//! What a persona knows: folders read, cut into passages, indexed and searched.
