"""ONNX files of an index and of a text run, for machines without PyTorch.

export_index(index, "items.onnx")           # vectors of items -> codes and lists
export_texts(poeem.load("runs/texts"), "onnx")  # typed queries -> vectors; texts of items -> codes and lists
"""

from poeem.integrations.onnx.index import export_index
from poeem.integrations.onnx.report import OnnxReport
from poeem.integrations.onnx.texts import export_texts

__all__ = ["OnnxReport", "export_index", "export_texts"]
