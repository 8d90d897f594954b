"""The writer: has a language model write the components that the catalogue lacks, and believes nothing unproved."""
