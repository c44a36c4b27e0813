"""What turns the pieces of sentences into the pieces of translations: fairseq's models, or an exported one."""
