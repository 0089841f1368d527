"""Translation engines behind one small interface (base.py); make.py picks the one a configuration names."""
